import pytest

from clerp.graph.links import read_token


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ('Output " Paris" (p=0.7)', " Paris"),
        ('Logit "x" (p=.05)', "x"),
        ('output: "big" (p=1e-05)', "big"),
        ('Output """ (p=0.1)', '"'),
        ('Output "a (p=1)" (p=0.1)', "a (p=1)"),
        ('Output "\n" (p=0.1)', "\n"),
        ('Output "x"', "x"),
        ("Paris", ""),
        ("", ""),
    ],
)
def test_the_token_of_a_logit_is_what_it_quotes(text, token):
    assert read_token(text) == token
