"""A table as users have one: 24 texts of two labels, enough to train on."""

TABLE = "text,label\n" + "".join(
    f"{word} {number},{label}\n"
    for label, words in {"billing": ("invoice", "refund"), "login": ("password", "account")}.items()
    for word in words
    for number in range(6)
)
