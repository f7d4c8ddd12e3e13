"""The reasons in docs/user/labelling-configurations.md are those that users see."""

from pathlib import Path

import pytest

from labelloop.label_config.schema import LabelConfigError, parse_label_config

PAGE = (Path(__file__).parents[3] / "docs/user/labelling-configurations.md").read_text()
CHOICE = '<Choice value="a"/><Choice value="b"/>'
TEXT = '<Text name="t" value="$text"/>'


def choices(attributes: str = "", inside: str = CHOICE, tag: str = "Choices") -> str:
    return f'<{tag} name="c" toName="t" {attributes}>{inside}</{tag}>'


@pytest.mark.parametrize(
    "config",
    [
        TEXT + choices('perRegion="true"'),
        TEXT + choices('value="$options"', ""),
        TEXT + choices('apiUrl="$address"', "", "Taxonomy"),
        TEXT + choices(inside='<Choice value="$name"/>'),
        TEXT + choices('maxUsages="0"', tag="Taxonomy"),
        TEXT + choices('choice="any"'),
        TEXT + choices(inside=""),
        TEXT + choices(inside="<Choice/>"),
        TEXT + choices(inside='<Choice value="a / b"/><Choice value="a"><Choice value="b"/></Choice>', tag="Taxonomy"),
        TEXT + choices('allowNested="true"', '<Choice value="a"/><Choice value="a"><Choice value="b"/></Choice>'),
        '<Image name="t" value="$image"/>' + choices(),
        '<Text name="t" value="$text" valueType="url"/>' + choices(),
        '<Text name="t" value="$text" encoding="base64"/>' + choices(),
        '<Text name="t" value="$list[0]"/>' + choices(),
        TEXT + f'<Choices toName="t">{CHOICE}</Choices>',
    ],
)
def test_a_refusal_reads_as_documented(config: str) -> None:
    with pytest.raises(LabelConfigError) as refused:
        parse_label_config(f"<View>{config}</View>")
    reason = str(refused.value).split("can be used. ", 1)[1]
    tag_end = reason.index(">") + 1
    assert f"`<...>{reason[tag_end:]}`" in PAGE
