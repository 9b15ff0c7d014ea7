"""Configurations and command lines, right and wrong, with what `threadguard check` must say of each."""
