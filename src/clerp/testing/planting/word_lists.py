"""The package's lists of words: classes, families, topics and frames."""

import tomllib
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _part(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


Words = Annotated[tuple[str, ...], BeforeValidator(_part)]
"""Distinct words, written as one string and parted by white space."""
Shape = Literal["noun", "name", "modifier", "word", "mark"]
"""Where a word fits in a text, as `classes.toml` describes."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WordClass(_Strict):
    """Words of one meaning or form."""

    name: str
    place: Shape
    members: Words = Field(min_length=12, max_length=50)


class Family(_Strict):
    """Forms of one word."""

    members: Words = Field(min_length=5)


class Frame(_Strict):
    """A grammatical frame; `frames.toml` says how it is written."""

    name: str
    text: str


class Grammar(_Strict):
    """English function words."""

    determiners: Words
    prepositions: Words
    others: Words

    @cached_property
    def all_words(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.determiners, *self.prepositions, *self.others))


class _Classes(_Strict):
    classes: tuple[WordClass, ...] = Field(alias="class")
    families: tuple[Family, ...] = Field(alias="family")


class _Topics(_Strict):
    topics: dict[str, Annotated[Words, Field(min_length=40)]]


class _Frames(_Strict):
    words: Grammar
    frames: tuple[Frame, ...] = Field(alias="frame")


@cache
def read_classes() -> tuple[WordClass, ...]:
    """Read the word classes."""
    return _Classes.model_validate(_read("classes.toml")).classes


@cache
def read_families() -> tuple[Family, ...]:
    """Read the word families."""
    return _Classes.model_validate(_read("classes.toml")).families


@cache
def read_topics() -> dict[str, tuple[str, ...]]:
    """Read the words of each topic."""
    return _Topics.model_validate(_read("topics.toml")).topics


@cache
def read_frames() -> tuple[Frame, ...]:
    """Read the grammatical frames."""
    return _Frames.model_validate(_read("frames.toml")).frames


@cache
def read_grammar() -> Grammar:
    """Read the function words."""
    return _Frames.model_validate(_read("frames.toml")).words


def _read(name: str) -> dict[str, object]:
    text = files("clerp.testing.planting").joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)
