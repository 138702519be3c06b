"""Tests of plugins, also run alone, check the types of clerp."""

from tests.type_checks import check_types

check_types()
