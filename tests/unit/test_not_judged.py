"""What gates could not judge is told, so that silence is no pass."""

from plimsoll.not_judged import judged_without_its_features


def test_a_champion_that_was_judged_without_its_features_is_a_warning_for_a_person() -> None:
    assert not judged_without_its_features([]).results
    [one] = judged_without_its_features(["2013-03-04: no wind.", "2013-03-05: no wind."]).results
    assert one.verdict == "warn", "so the policy leaves it to a person"
    assert one.sentence.endswith("2013-03-04: no wind; and 1 more")
