"""`steer serve`: a steered model behind the API that everyone uses. Each request turns dials, inside the operator's bounds."""
