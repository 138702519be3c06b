"""Texts that act where a page takes them for anything but text."""

from dataclasses import replace

from tests.browser.review_queue import Queued, name_feature
from tests.unit.ledger.records import make_item
from tests.unit.review.web.review_session import make_proposal

from clerp.report.verbalized import ClaimView, Piece, SignalView, TextView, VerbalizedView
from clerp.review.snapshot import (
    CandidateView,
    ExampleView,
    FeatureSnapshot,
    GraphSnapshot,
    NeighbourView,
    NodeView,
    OccurrenceSnapshot,
    ScoreView,
)

_CALL = "alert(1)"
_AWAY = "//elsewhere.example/taken"

HOSTILE: tuple[str, ...] = (
    # Tags, and attributes of them.
    f"<script>{_CALL}</script>",
    f"<script src={_AWAY}></script>",
    f"<img src=x onerror={_CALL}>",
    f"<img src={_AWAY}>",
    f"<ImG sRc=x OnErRoR={_CALL}>",
    f"<img src=x onerror={_CALL} ",
    f"<<script>{_CALL}//<</script>",
    f"<body onload={_CALL}>",
    f"<iframe src='javascript:{_CALL}'></iframe>",
    f'<iframe srcdoc="<script>{_CALL}</script>">',
    f"<input autofocus onfocus={_CALL}>",
    f"<details open ontoggle={_CALL}>x</details>",
    f"<video><source onerror={_CALL}></video>",
    f"<object data={_AWAY}></object>",
    f"<link rel=stylesheet href={_AWAY}>",
    f"<meta http-equiv=refresh content='0;url={_AWAY}'>",
    f"<base href={_AWAY}>",
    f"<form action={_AWAY}><button>go</button></form>",
    f"<style>@import '{_AWAY}';</style>",
    f"<style>*{{background:url({_AWAY})}}</style>",
    f"<a href='javascript:{_CALL}'>here</a>",
    f"<math><mtext><script>{_CALL}</script></mtext></math>",
    # SVG.
    f"<svg onload={_CALL}>",
    f"<svg><script>{_CALL}</script></svg>",
    f"<svg><animate onbegin={_CALL} attributeName=x dur=1s>",
    f"<svg><use href='{_AWAY}#x'/></svg>",
    # Out of what the text stands in.
    f"</script><script>{_CALL}</script>",
    f"</title></textarea><script>{_CALL}</script>",
    f"<!--<script>{_CALL}",
    f"--><script>{_CALL}</script>",
    f"]]><script>{_CALL}</script>",
    f'" onmouseover={_CALL} autofocus onfocus={_CALL} x="',
    f"' onmouseover={_CALL} x='",
    f"` onerror={_CALL} `",
    f'"}};{_CALL};//',
    f"\\u003cscript\\u003e{_CALL}",
    # Addresses, entities, templates and formulas.
    f"javascript:{_CALL}",
    f"data:text/html,<script>{_CALL}</script>",
    f"&lt;script&gt;{_CALL}&lt;/script&gt;",
    f"&#60;img src=x onerror={_CALL}&#62;",
    "%3Cscript%3E&amp;&nbsp;&copy",
    "{{ 7 * 7 }}{% include 'base.html' %}{# gone #}",
    "{{ constructor.constructor('alert(1)')() }}",
    "${alert(1)} #{alert(1)} <%= alert(1) %>",
    "=HYPERLINK(A1) %s %d {0} {}",
    "__proto__",
    # What is not seen, and what is seen otherwise.
    "abc\u202egnp.exe\u202c",
    "\u2066isolated\u2069 \u200fmark\u200e",
    "zero\u200bwidth\u200c\u200d\ufeff\u2060\u00ad",
    "nul\x00 bell\x07 back\x08 escape\x1b[31mred del\x7f",
    "lines\nand\r\nmore\u2028of\u2029them\x0b\x0c\x85",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "tags \U000e0041\U000e0042 private \ue000 none \uffff",
    "z̸̢̛͓̮a̵̧͉̓l̶̳͗g̷̹̈o̴͚͝" + "\u0301" * 60,
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇫🇷",
    "한글 العربية עברית 日本語 हिन्दी",
    "long" * 1200,
    "many words " * 300,
)


def make_hostile(number: int) -> Queued:
    """Make a feature of which all text is that of one place in `HOSTILE`, from 1."""
    text = HOSTILE[number - 1]
    proposal = make_proposal(
        label=text,
        route_reason=text,
        steps=(text,),
        scores={text: ScoreView(0.2, 1.2, 0.1, 20)},
        method=text,
        model=text,
        reason=text,
        hint=text,
        notes=(text,),
        candidates=(CandidateView(text, text, text),),
        verbalized=VerbalizedView(
            whose=text,
            status=text,
            status_line=text,
            proposal=(Piece(text, is_quote=True),),
            method=text,
            first=(TextView(text, (Piece(text, is_quote=False), Piece(text, is_quote=True)), ""),),
            more=(TextView(text, (), text),),
            where_off=(TextView(text, (), text),),
            kept_claims=(ClaimView((Piece(text, is_quote=True),), text),),
            signals=(SignalView(text, text, text),),
            notes=(text,),
            unavailable=text,
        ),
    )
    peak = number - 1
    fires_once = tuple(float(place == peak) for place in range(len(HOSTILE)))
    always = tuple(1.0 + fires for fires in fires_once)
    feature = FeatureSnapshot(
        proposal,
        examples=(
            ExampleView("0.0", 0, HOSTILE, always, peak),
            ExampleView("1.0", 1, HOSTILE, fires_once, peak),
        ),
        set_aside=((text, 3),),
        promoted=(text,),
        suppressed=(text,),
        act_max=2.0,
    )
    near = NeighbourView("token", text, 1.0), NeighbourView("logit", text, -1.0)
    named = NeighbourView("feature", name_feature(number % len(HOSTILE) + 1), 0.5)
    item = make_item(number, (text,), status="labeled", label=text, reason=text, hint=text)
    return Queued(
        replace(item, method=text, uncertainty=0.5),
        feature,
        OccurrenceSnapshot((NodeView("n", peak, 2.0, 41.0, 0.1),), (near[0], named), (near[1],)),
        GraphSnapshot(text, HOSTILE),
    )
