import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.label_config.schema import LabelConfigError, parse_label_config

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
RECORDED = json.loads((SAMPLES / "label_configs_and_ui_results.json").read_text())
SUPPORTED = (
    "choices_single",
    "choices_multiple",
    "choices_nested",
    "choices_select",
    "taxonomy",
    "hypertext",
    "paragraphs",
    "two_texts",
    "pairwise_two_controls",
)
TEXT = '<Text name="text" value="$text"/>'
CHOICES = '<Choice value="a"/><Choice value="b"/>'
GROUP = '<Choice value="{}"><Choice value="x"/></Choice>'


def view(controls: str, text: str = TEXT) -> str:
    return f"<View>{text}{controls}</View>"


def label(attributes: str = "", choices: str = CHOICES) -> str:
    return f'<Choices name="label" toName="text" {attributes}>{choices}</Choices>'


def tree(attributes: str = "", choices: str = "") -> str:
    nodes = choices or '<Choice value="p" alias="P"><Choice value="x"/><Choice value="y"/></Choice><Choice value="q"/>'
    return f'<Taxonomy name="tree" toName="text" {attributes}>{nodes}</Taxonomy>'


@pytest.mark.parametrize("name", SUPPORTED)
def test_agrees_with_what_label_studio_itself_parsed(name: str) -> None:
    recorded = RECORDED[name]
    schema = parse_label_config(recorded["label_config"])
    assert [control.name for control in schema.controls] == list(recorded["parsed_label_config"])
    for control in schema.controls:
        parsed = recorded["parsed_label_config"][control.name]
        assert [control.object_name] == parsed["to_name"]
        assert [(control.object_type, control.data_key)] == [(i["type"], i["value"]) for i in parsed["inputs"]]
        assert sorted(node.stored for node in (*control.choices, *control.groups)) == sorted(parsed["labels"])


@pytest.mark.parametrize("name", SUPPORTED)
def test_what_the_editor_stores_is_made_of_our_labels(name: str) -> None:
    controls = {control.name: control for control in parse_label_config(RECORDED[name]["label_config"]).controls}
    for item in RECORDED[name]["ui_annotation_result"]:
        control = controls[item["from_name"]]
        paths = {choice.path for choice in control.choices}
        assert item["type"] == control.result_type
        for choice in item["value"][item["type"]]:
            assert tuple(choice) in paths if control.nested else choice in control.labels


@pytest.mark.parametrize("name", sorted(set(RECORDED) - set(SUPPORTED)))
def test_recorded_configurations_without_a_usable_control_are_refused(name: str) -> None:
    with pytest.raises(LabelConfigError, match=r"(No|no) <Choices>"):
        parse_label_config(RECORDED[name]["label_config"])


@pytest.mark.parametrize(
    ("kind", "multiple"), [("", False), ('choice="single-radio"', False), ('choice="multiple"', True)]
)
def test_single_and_multiple(kind: str, multiple: bool) -> None:
    assert parse_label_config(view(label(kind))).control.multiple is multiple


def test_alias_is_what_is_stored_and_the_hint_is_kept() -> None:
    choice = parse_label_config(view(label(choices='<Choice value="good" alias="g" hint="happy"/>'))).control.choices[0]
    assert (choice.value, choice.stored, choice.hint) == ("good", "g", "happy")


def test_an_equal_choice_twice_is_one_label() -> None:
    assert parse_label_config(view(label(choices=CHOICES + CHOICES))).control.labels == ("a", "b")


def test_choices_inside_a_view_are_found() -> None:
    assert parse_label_config(view(label(choices=f"<View>{CHOICES}</View>"))).control.labels == ("a", "b")


def test_what_stands_inside_a_choice_counts_only_when_nesting_is_allowed() -> None:
    nested = GROUP.format("p") + GROUP.format("q") + '<Choice value="r"/>'
    assert parse_label_config(view(label(choices=nested))).control.labels == ("p", "q", "r")
    control = parse_label_config(view(label('allowNested="true"', nested))).control
    assert control.labels == ("p / x", "q / x", "r")
    assert [group.label for group in control.groups] == ["p", "q"]


@pytest.mark.parametrize(
    ("attributes", "labels", "multiple", "limit"),
    [
        ("", ("P", "P / x", "P / y", "q"), True, None),
        ('leafsOnly="true"', ("P / x", "P / y", "q"), True, None),
        ('maxUsages="1"', ("P", "P / x", "P / y", "q"), False, None),
        ('maxUsages="2" leafsonly="true"', ("P / x", "P / y", "q"), True, 2),
        ('pathSeparator="|" showFullPath="true" legacy="true"', ("P", "P / x", "P / y", "q"), True, None),
    ],
)
def test_taxonomy(attributes: str, labels: tuple[str, ...], multiple: bool, limit: int | None) -> None:
    control = parse_label_config(view(tree(attributes))).control
    assert (control.result_type, control.nested) == ("taxonomy", True)
    assert (control.labels, control.multiple, control.limit) == (labels, multiple, limit)


def test_a_taxonomy_may_have_one_name_in_many_places_but_siblings_only_once() -> None:
    choices = GROUP.format("p") + GROUP.format("q") + '<Choice value="q"><Choice value="other"/></Choice>'
    assert parse_label_config(view(tree(choices=choices))).control.labels == ("p", "p / x", "q", "q / x")


def test_a_text_with_several_keys_is_its_own_source() -> None:
    schema = parse_label_config(view(label(), '<HyperText name="text" value="&lt;b&gt;$title&lt;/b&gt; $body"/>'))
    assert schema.control.data_key == "<b>$title</b> $body"


@pytest.mark.parametrize(
    "attributes",
    ['required="true" requiredMessage="Choose!"', 'visibleWhen="choice-selected" whenTagName="a"', 'layout="inline"'],
)
def test_what_only_the_editor_minds_is_fine(attributes: str) -> None:
    plain, dressed = parse_label_config(view(label())), parse_label_config(view(label(attributes)))
    assert plain == dressed


def test_names_that_differ_in_case_or_white_space_only_are_different_labels() -> None:
    names = ("a", "A", " a", "a ", "a  b", "a b", "ä", "a\u0308", "\u202eabc", "👍🏽", "x" * 5_000)
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in names)
    assert parse_label_config(view(label(choices=choices))).control.labels == names


def test_a_thousand_choices_are_read() -> None:
    choices = "".join(f'<Choice value="label {number}" alias="{number}"/>' for number in range(1_000))
    assert parse_label_config(view(label(choices=choices))).control.labels == tuple(map(str, range(1_000)))


def test_an_unsupported_control_beside_a_supported_one_is_named_not_fatal() -> None:
    schema = parse_label_config(view(label() + '<Taxonomy name="tree" toName="text" apiUrl="$address"/>'))
    assert [control.name for control in schema.controls] == ["label"]
    assert len(schema.ignored) == 1
    assert '<Taxonomy name="tree" apiUrl="$address">' in schema.ignored[0]


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("<View>", "well-formed"),
        ("<View>\x00</View>", "well-formed"),
        ("rubbish", "well-formed"),
        ("<View></View>", "no <Choices>"),
        (view(label('perRegion="true"')), 'perRegion="true"'),
        (view(label('value="$options"', "")), r'value="\$options"'),
        (view(label('choice="some"')), 'choice="some"'),
        (view(label(choices="")), "at least two"),
        (view(label(choices='<Choice alias="x"/>')), "without value"),
        (view(label(), ""), 'toName="text">, which is not in the configuration'),
        (view(label(), '<Image name="text" value="$url"/>'), "which is a <Image>"),
        (view(label(), f'<{"I" * 9000} name="text"/>'), "which is a <I{79}…>"),
        (view(label(), '<Text name="text" value="fixed"/>'), 'value="fixed"'),
        (view(label(), '<Text name="text" value="$text" valueType="url"/>'), 'valueType="url"'),
        (view(label(), '<Text name="text" value="$text" encoding="base64"/>'), 'encoding="base64"'),
        (
            '<View><Text value="$text"/><Choices name="a"><Choice value="b"/></Choices></View>',
            "not in the configuration",
        ),
        (view(label() + label()), "rename one"),
        (view(label('allowNested="true"', GROUP.format("p") + '<Choice value="p"/>')), "group of choices"),
        (view(label(choices='<Choice value="$first"/><Choice value="b"/>')), r"\$first"),
        (view(label(choices='<Choice value="under $50"/>')), r"under \$50"),
        (view(tree('apiUrl="http://example.com/tree.json"')), 'apiUrl="http'),
        (view(tree('value="$items"', "")), r'value="\$items"'),
        (view(tree('labeling="true"')), 'labeling="true"'),
        (view(tree('perRegion="true"')), 'perRegion="true"'),
        (view(tree('perItem="true"')), 'perItem="true"'),
        (view(tree('maxUsages="0"')), 'maxUsages="0"'),
        (view(tree('maxUsages="many"')), 'maxUsages="many"'),
        (view(tree(choices='<Choice value="p / x"/><Choice value="p"><Choice value="x"/></Choice>')), "read p / x"),
        (view(label(choices="".join(f'<Choice value="{n}"/>' for n in range(10_001)))), "10,001 choices"),
        (view(label(), '<Paragraphs name="text" value="$text" valueType="url"/>'), 'valueType="url"'),
        (view(label(), '<Text name="text" value="$items[0].text"/>'), r"items\[0\]"),
        (view(label(), '<HyperText name="text" value="$title: $items[0]"/>'), r"items\[0\]"),
        (view(label(), '<Text name="text" value="$text" />\ud83d'), "surrogate"),
    ],
)
def test_refusals_tell_tag_and_value(xml: str, told: str) -> None:
    with pytest.raises(LabelConfigError, match=told):
        parse_label_config(xml)


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>',
        '<!DOCTYPE v SYSTEM "file:///etc/passwd"><View/>',
    ],
)
def test_entities_are_refused(xml: str) -> None:
    with pytest.raises(LabelConfigError, match="DOCTYPE or entities"):
        parse_label_config(xml)


@pytest.mark.parametrize(
    "xml", ["<View>" * 500_000, "<View>" + "<a/>" * 400_000 + "</View>", "<View>" + " " * 3_000_000]
)
def test_huge_and_deep_documents_are_refused(xml: str) -> None:
    with pytest.raises(LabelConfigError, match="make it smaller"):
        parse_label_config(xml)


@given(st.text(alphabet='<>/"=& ViewTxtChoces$', max_size=200))
def test_rubbish_never_gives_another_error(xml: str) -> None:
    try:
        parse_label_config(xml)
    except LabelConfigError as error:
        assert str(error)  # noqa: PT017


def test_digest_does_not_depend_on_looks() -> None:
    plain = (
        '<View><Text name="t" value="$x"/><Choices name="l" toName="t"><Choice value="a" alias="A"/></Choices></View>'
    )
    dressed = """<View>
      <Header value="Read this"/> <Style>.x{}</Style>
      <Text value="$x" name="t" granularity="word"/>
      <Choices toName="t" name="l" choice="single" showInLine="true" required="true">
        <Choice background="red" alias="A" hotkey="1" value="a"/>
      </Choices></View>"""
    assert parse_label_config(plain).digest == parse_label_config(dressed).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name="label"', 'name="other"'),
        ('value="$text"', 'value="$body"'),
        ('<Choice value="a"/>', '<Choice value="a" alias="z"/>'),
        ('<Choice value="b"/>', '<Choice value="c"/>'),
        ('<Choice value="b"/>', ""),
        ('toName="text" ', 'toName="text" choice="multiple"'),
        ("<Text ", "<HyperText "),
    ],
)
def test_digest_depends_on_what_a_model_learns(old: str, new: str) -> None:
    xml = view(label())
    assert old in xml
    assert parse_label_config(xml).digest != parse_label_config(xml.replace(old, new)).digest
