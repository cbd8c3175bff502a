"""A plan at work in other people's programs; each file needs the package it is named after, and nothing else imports it."""
