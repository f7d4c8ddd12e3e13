"""Small schemas and examples for tests of models."""

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Choice, Control, Schema

WORDS = {
    "billing": ["my card was charged twice", "wrong amount on the bill", "charged too much on my card"],
    "delivery": ["where is my parcel", "the parcel is late again", "courier lost the parcel"],
    "login": ["cannot log in", "my account is locked", "log in page stays empty"],
}
ODD_TEXTS = ["", " ", "\n\t", "😀😀", "\x00", "\ud800", "日本語のテキスト", "zq", "<b>&amp;</b>", "a" * 1_000_000]


def control(name="label", labels=tuple(WORDS), multiple=False):
    return Control(name, "text", "Text", "text", tuple(Choice(label) for label in labels), multiple)


def schema(*controls):
    return Schema(controls or (control(),), "digest")


def example(task, text, **labels):
    return Example(task, text, {name: tuple(chosen) for name, chosen in labels.items()})


def examples(repeat=4):
    """`repeat` variants of each sentence, single choice."""
    texts = [(text, label) for label, sentences in WORDS.items() for text in sentences]
    return [
        example(index, f"{text} {number}", label=[label])
        for index, (text, label, number) in enumerate((t, n, i) for i in range(repeat) for t, n in texts)
    ]


def multiple_examples(repeat=4):
    """Texts of two sentences with the labels of both."""
    names = list(WORDS)
    return [
        example(
            len(names) * number + position,
            f"{WORDS[first][number % 3]}. {WORDS[second][(number + 1) % 3]}",
            label=sorted({first, second}),
        )
        for number in range(repeat)
        for position, (first, second) in enumerate(zip(names, [names[0], names[2], names[2]], strict=True))
    ]
