"""Every code that an error can carry: a stable name, what a stranger may read, and what a person can do.

docs/reference/errors.md is generated from `CODES`. Which class carries which code: errors.py.
"""
# ruff: noqa: F403  codes are imported from one place

from ostiary.codes.admission import *
from ostiary.codes.cells import *
from ostiary.codes.credentials import *
from ostiary.codes.declare import CODES as CODES
from ostiary.codes.declare import Code as Code
from ostiary.codes.embed import *
from ostiary.codes.export import *
from ostiary.codes.gateway import *
from ostiary.codes.house import *
from ostiary.codes.models import *
from ostiary.codes.quotas import *
from ostiary.codes.requests import *
