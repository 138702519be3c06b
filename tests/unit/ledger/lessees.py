"""What other processes do with a ledger."""

from multiprocessing.connection import Connection

from tests.unit.ledger.records import make_answer

from clerp.ledger import Claim, name_owner, open_ledger


def claim_all(url: str, owner: str, n_keys: int, said: Connection) -> None:
    """Claim and answer what is free, and say which keys that was."""
    said.send("ready")
    said.recv()
    won: list[str] = []
    with open_ledger(url) as ledger:
        for key in map(str, range(n_keys)):
            if isinstance(ledger.claim(key, owner, 60.0), Claim):
                ledger.record_answer(make_answer(key, text=owner))
                won.append(key)
    said.send(won)


def claim_and_hang(url: str, owner: str, said: Connection) -> None:
    """Claim a key and never answer it."""
    with open_ledger(url) as ledger:
        said.send(ledger.claim("k", owner or name_owner(), 60.0))
        said.recv()
