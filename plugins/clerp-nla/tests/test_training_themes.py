import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp_nla.training.grammar import write_documents
from clerp_nla.training.places import FIRST
from clerp_nla.training.themes import (
    LOWER,
    TOP,
    Theme,
    cut_texts,
    draw_activations,
    make_record,
    mark,
    read_evidence,
    write_records,
)

DOCUMENTS = write_documents(150, 5)
FEATURE = FeatureId(2, 7)
MUSIC = Theme("topic", "music")


@pytest.mark.parametrize(
    "theme", [MUSIC, Theme("word class", "verb"), Theme("token", " the"), Theme("token", ".")]
)
def test_a_feature_fires_only_where_its_theme_holds(theme: Theme) -> None:
    activations = draw_activations(DOCUMENTS, theme, 0)
    fired = off = 0
    for values, holds in zip(activations, mark(DOCUMENTS, theme), strict=True):
        assert not (values[~holds] > 0).any()
        fired += int((values > 0).sum())
        off += int((values[holds] == 0).sum())
    assert fired > 100
    assert off > 100


def test_about_nothing_is_true_nowhere_and_fires_anywhere() -> None:
    nothing = Theme("nothing")
    assert not any(holds.any() for holds in mark(DOCUMENTS, nothing))
    activations = draw_activations(DOCUMENTS, nothing, 0)
    topics = {
        token.topic
        for document, values in zip(DOCUMENTS, activations, strict=True)
        for token, value in zip(document.tokens, values, strict=True)
        if value > 0
    }
    assert len(topics) > 8


def test_records_are_evidence_with_late_peaks_strongest_first() -> None:
    activations = draw_activations(DOCUMENTS, MUSIC, 0)
    evidence = read_evidence(FEATURE, make_record(FEATURE, DOCUMENTS, activations))
    assert len(evidence.top) == TOP
    assert 0 < len(evidence.lower) <= LOWER
    assert not evidence.set_aside
    peaks = [example.peak_activation for example in (*evidence.top, *evidence.lower)]
    assert peaks == sorted(peaks, reverse=True)
    assert all(example.peak >= FIRST for example in evidence.top)
    texts = {document.text for document in DOCUMENTS}
    assert all("".join(example.tokens) in texts for example in evidence.top)


def test_a_feature_that_never_fires_is_no_evidence() -> None:
    silent = [np.zeros(len(document.tokens)) for document in DOCUMENTS]
    silent[0][3] = 1.0
    with pytest.raises(ValueError, match="no activation example"):
        read_evidence(FEATURE, make_record(FEATURE, DOCUMENTS, silent))


def test_records_are_read_back_by_clerp_and_are_the_same_every_time(tmp_path: Path) -> None:
    record = make_record(FEATURE, DOCUMENTS, draw_activations(DOCUMENTS, MUSIC, 0))
    for name in ("one", "two"):
        write_records(tmp_path / name, [(FEATURE, record)])
    [evidence] = FolderSource(str(tmp_path / "one")).read([FEATURE])
    assert evidence.feature == FEATURE
    file = f"{FEATURE.cantor}.json.gz"
    content = (tmp_path / "one" / file).read_bytes()
    assert content == (tmp_path / "two" / file).read_bytes()
    assert json.loads(gzip.decompress(content)) == record


def test_cut_texts_are_beginnings_of_different_lengths() -> None:
    texts = list(cut_texts(DOCUMENTS, 0))
    for text, document in zip(texts, DOCUMENTS, strict=True):
        assert document.text.startswith(text)
    assert len({text.count(" ") for text in texts}) > 10
