"""Every error meant for people, in one tree. Each is one line: got, expected, do this.

SteerError                    steer_kernels
├── TableError                    a table or strength that does not fit the activations
├── ContrastError                 steer_vectors: unknown, broken or empty contrast set
├── VectorFileError                   missing, truncated or damaged vector file
├── SiteError                         a layer or position that the model does not have
├── ModelError                        a model that does not load or cannot chat
├── MismatchError                     a vector of another model
├── PlanError                     steer: a plan, policy file or strength that cannot be applied
│   ├── ForbiddenError                a server: beyond the bounds of this key
│   ├── UnknownModelError             a server: a model that it does not serve
│   └── TooLongError                  a server: a prompt that leaves no room
├── LivenessError                     steering that did not move the model
├── EngineError                       a server whose engine has died
├── BusyError                         a server that can take no more for now
├── SuiteError                    steer_evals: unknown, broken or empty suite
├── RunError                          a run folder that cannot be written, resumed or read
└── JudgeError                        answers that cannot be judged
"""

from steer_kernels import SteerError

__all__ = ["LivenessError", "PlanError", "SteerError"]


class PlanError(SteerError):
    """A plan, a policy file or a strength that cannot be applied."""


class LivenessError(SteerError):
    """Steering is switched on and the model's answers do not move."""
