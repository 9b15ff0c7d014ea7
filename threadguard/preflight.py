"""The name that `threadguard.check` had before: what was public under it stays."""

from threadguard.check import Checked as Checked
from threadguard.check import Options as Options
from threadguard.check import check_command as check_command
from threadguard.check import check_file as check_file
from threadguard.check import read_server as read_server
