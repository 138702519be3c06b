import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clerp.ledger
from clerp.ledger import mask_password


@pytest.mark.parametrize(
    "place",
    [
        "clerp.db",
        ":memory:",
        "",
        "/data/me@lab/clerp.db",
        "runs/10:30:00.db",
        r"C:\Users\me@lab\clerp.db",
        "sqlite://",
        "sqlite:////data/clerp.db",
        "sqlite:///C:/data/clerp.db",
        "postgresql://host/db",
        "postgresql+psycopg://user@host:5432/db",
        "postgresql://[::1]:5432/db",
        "postgresql:///db",
    ],
)
def test_a_place_without_a_password_is_shown_as_it_is(place: str):
    assert mask_password(place) == place


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        (
            "postgresql+psycopg://user:secret@host:5432/db",
            "postgresql+psycopg://user:***@host:5432/db",
        ),
        ("postgresql://user:se/cret?@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:secret@[::1]:5432/db", "postgresql://user:***@[::1]:5432/db"),
        ("postgresql://:secret@/db", "postgresql://:***@/db"),
        ("postgresql://user:@host/db", "postgresql://user:***@host/db"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?***"),
        ("postgresql://postgresql://user:secret@host/db", "postgresql://postgresql:***@host/db"),
        ("mysql://user:secret@host/db?ssl=1", "mysql://user:***@host/db?***"),
    ],
)
def test_the_password_of_a_url_is_hidden(place: str, shown: str):
    assert mask_password(place) == shown


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("postgresql://user:secret/db", "postgresql:***"),
        ("postgresql://user:1secret@host:port/db", "postgresql:***"),
        ("postgresql://user:p@secret@host/db", "postgresql:***"),
        ("postgresql://user:1?p@secret@host/db", "postgresql:***"),
        ("postgresql://user:1/p@secret@host/db", "postgresql:***"),
        ("postgresql:///user:secret@host/db", "postgresql:***"),
        ("postgresql:/user:secret/db", "postgresql:***"),
        ("postgresql:user:secret", "postgresql:***"),
        ("Postgresql:/user:secret", "Postgresql:***"),
        ("postgresql//user:secret/db", "postgresql//user:***"),
        ("post gres://user:secret@host", "post gres:***"),
        ("mysql:/user:secret/db", "mysql:***"),
        ("user:secret@host/db", "user:***"),
        ("://secret", ":***"),
    ],
)
def test_a_malformed_url_keeps_what_is_before_its_first_colon(place: str, shown: str):
    assert mask_password(place) == shown


@given(
    before=st.text(st.characters() | st.sampled_from("@:/?#%1\n")),
    after=st.text(st.characters() | st.sampled_from("@:/?#%1\n")),
    form=st.sampled_from(
        [
            "postgresql://user:{}@host/db",
            "postgresql+psycopg://user:{}@host:5432/db?sslmode=require",
            "sqlite://:{}@/clerp.db",
            "postgresql://host/db?password={}",
            "postgresql:/user:{}@host/db",
            "postgresql:user:{}",
        ]
    ),
)
def test_no_password_is_ever_shown(before: str, after: str, form: str):
    assert "S3CRET" not in mask_password(form.format(f"{before}S3CRET{after}"))


def test_showing_a_place_does_not_import_sqlalchemy():
    show = "import sys, clerp.ledger; clerp.ledger.mask_password('a.db')"
    code = f"{show}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", clerp.ledger.__all__)
def test_what_the_package_names_it_has(name: str):
    assert getattr(clerp.ledger, name) is not None


def test_what_the_package_does_not_name_it_has_not():
    with pytest.raises(AttributeError, match=r"'clerp.ledger' has no attribute 'nonesuch'"):
        clerp.ledger.nonesuch  # noqa: B018 - looking it up is the test
