from clerp.verbalizers.work import Work


def test_the_share_of_what_is_expected_is_told():
    told: list[float] = []
    work = Work(told.append)
    work.expect(4)
    work.advance(1)
    work.advance(2)
    assert told == [0.25, 0.75]


def test_texts_that_nobody_expected_make_no_more_than_all():
    told: list[float] = []
    work = Work(told.append)
    work.advance(3)
    assert told == []
    work.expect(2)
    work.advance(3)
    assert told == [1.0]
