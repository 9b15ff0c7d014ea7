"""The application that servers serve under load: bare, and guarded."""

from contenders import hello as bare

from threadguard import ThreadGuard

guarded = ThreadGuard(bare)
