"""What a model is asked, and in which form."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

from pydantic import BaseModel

AnswerFormat = Literal["json_schema", "json_object_schema", "json_object", "text"]
"""How a request says what the answer must look like: by its schema, by its schema as servers take
it that know only JSON objects, as any JSON object, or not at all."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked."""

    system: str
    user: str
    schema: type[BaseModel]
    """The shape of the answer."""

    @property
    def hash(self) -> str:
        """sha256 of all that is sent, in hexadecimal. The same whatever form it is sent in."""
        written = f"[{_quote(self.system)}, {json.dumps(self.user)}, {_write_schema(self.schema)}]"
        return hashlib.sha256(written.encode()).hexdigest()

    def with_complaint(self, complaint: str) -> "Prompt":
        """Ask again, saying what was wrong with the last answer but quoting none of it."""
        return replace(
            self,
            user=f"{self.user}\n\nThe last answer could not be used: {complaint}. Answer again.",
        )

    def write_messages(self, answer_format: AnswerFormat) -> list[dict[str, str]]:
        """Write OpenAI's chat messages. A schema that a server may not read is in the text."""
        user = self.user
        if answer_format != "json_schema":
            schema = json.dumps(read_schema(self.schema))
            user = f"{user}\n\nAnswer with one JSON object of this JSON schema alone:\n{schema}"
        return [{"role": "system", "content": self.system}, {"role": "user", "content": user}]


# The same in all prompts of a run.
@lru_cache(maxsize=16)
def _quote(system: str) -> str:
    return json.dumps(system)


@cache
def _write_schema(model: type[BaseModel]) -> str:
    return json.dumps(read_schema(model), sort_keys=True)


# Making it takes pydantic a good part of what a call costs this machine.
@cache
def read_schema(model: type[BaseModel]) -> Mapping[str, Any]:
    """Return the JSON schema of an answer."""
    return model.model_json_schema()
