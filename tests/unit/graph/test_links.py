import pytest

from clerp.errors import GraphError
from clerp.graph import read_graph
from clerp.graph.links import NodeIds, read_links, read_token

IDS = NodeIds(known={"a", "b", "twin", "out"}, ambiguous={"twin"}, logits={"out"})


def link(source: object = "a", target: object = "b", weight: object = 0.5):
    return {"source": source, "target": target, "weight": weight}


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


def test_links_are_picked_that_end_at_a_logit_or_could_mean_two_nodes():
    links = [link(), link(target="out", weight=2), link("twin"), link(target="twin")]
    noted = read_links({"links": links}, IDS, "graph.json")
    assert [(found.source, found.target, found.weight) for found in noted.into_logits] == [
        ("a", "out", 2.0)
    ]
    assert noted.n_ambiguous == 2


def test_no_links_are_none_to_pick_from():
    assert read_links({"links": []}, IDS, "graph.json") == ((), 0)


@pytest.mark.parametrize(
    ("links", "said"),
    [
        (None, "links: .*expected `array`, got `null`"),
        ({}, "links: .*expected `array`, got `object`"),
        ({"source": "a"}, "links: .*expected `array`, got `object`"),
        ("", "links: .*expected `array`, got `str`"),
        (0, "links: .*expected `array`, got `int`"),
        (["a", "b"], r"links\[0\]: .*expected `object`, got `str`"),
        ([link(), None], r"links\[1\]: .*expected `object`, got `null`"),
        ([link(), ["a", "b", 0.5]], r"links\[1\]: .*expected `object`, got `array`"),
        ([link(), {}], r"links\[1\]: .*missing required field `source`"),
        ([link(), {"source": "a", "target": "b"}], r"links\[1\]: .*missing .*`weight`"),
        ([link(), link(source=["a"])], r"links\[1\]\.source: .*expected `str`, got `array`"),
        ([link(), link(target={})], r"links\[1\]\.target: .*expected `str`, got `object`"),
        ([link(), link(target=None)], r"links\[1\]\.target: .*expected `str`, got `null`"),
        ([link(), link(weight=True)], r"links\[1\]\.weight: .*expected `float`, got `bool`"),
        ([link(), link(weight="1")], r"links\[1\]\.weight: .*expected `float`, got `str`"),
    ],
)
def test_links_of_another_form_are_refused_with_their_place(document, links, said):
    with pytest.raises(GraphError, match=f"^graph.json, {said}"):
        read_links({"links": links}, IDS, "graph.json")
    document["links"] = links
    with pytest.raises(GraphError, match=said):
        read_graph(document)


def test_a_graph_without_links_is_refused(document):
    missing = "object missing required field `links`"
    with pytest.raises(GraphError, match=f"^graph.json: .*{missing}"):
        read_links({}, IDS, "graph.json")
    del document["links"]
    with pytest.raises(GraphError, match=missing):
        read_graph(document)


def test_the_first_link_that_leads_nowhere_is_counted_in_the_whole_file():
    links = [link(), link(), link(target="nowhere"), link("nowhere", "twin"), link()]
    with pytest.raises(GraphError, match=r"links\[2\]: 2 of 5 links .* first 'nowhere'"):
        read_links({"links": links}, IDS, "graph.json")
