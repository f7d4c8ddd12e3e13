"""Options of the commands that read data and models, and how both are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.model_class import chosen_model_class
from labelloop.cli.output import CommandError

if TYPE_CHECKING:
    from labelloop.datasets.labelled_files import LabelledFile
    from labelloop.datasets.tables import Table
    from labelloop.models.model import Model

FILE_HELP = "CSV or TSV table, JSON Lines, or Label Studio's JSON or JSON-MIN export."
TextColumn = Annotated[str, typer.Option(help="Column that holds the text; case does not matter.")]
LabelColumn = Annotated[str, typer.Option(help="Column that holds the label; case does not matter.")]
ConfigOption = Annotated[Path | None, typer.Option("--label-config", help="Labelling configuration (XML), if any.")]
ModelOption = Annotated[Path, typer.Option(help="Model folder, as `train` writes it.")]
EncodingOption = Annotated[
    str | None,
    typer.Option(help="Encoding of the file, such as cp1252 (else its byte order mark decides, or UTF-8)."),
]


@dataclass(frozen=True)
class DataFile:
    """A file that a command was given, with the options that say how to read it."""

    path: Path
    text_column: str = "text"
    label_column: str = "label"
    encoding: str | None = None
    label_config: Path | None = None

    def labelled(self, control: str = "label") -> "LabelledFile":
        """Its labelled texts. Raises CommandError."""
        from labelloop.datasets.labelled_files import Columns, read_labelled
        from labelloop.datasets.text_file import DataFileError

        try:
            config = None if self.label_config is None else self.label_config.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise CommandError(f"--label-config {self.label_config} cannot be read ({why}).") from None
        try:
            return read_labelled(
                self.path,
                columns=Columns(self.text_column, self.label_column),
                encoding=self.encoding,
                label_config=config,
                control=control,
                scope=chosen_model_class().scope(),
            )
        except DataFileError as error:
            raise CommandError(f"{error}.") from None

    def texts(self) -> "tuple[Table, Sequence[str]]":
        """All its columns, and the texts. Raises CommandError."""
        from labelloop.datasets.labelled_files import Columns, read_texts
        from labelloop.datasets.text_file import DataFileError

        try:
            return read_texts(self.path, Columns(self.text_column, self.label_column), self.encoding)
        except DataFileError as error:
            raise CommandError(f"{error}.") from None


def read_model(folder: Path) -> "Model":
    """The model of a folder. Raises CommandError."""
    from labelloop.models import ModelFileError, load_model
    from labelloop.training.model_calls import ModelFailedError, guard_model_call

    model_class = chosen_model_class()
    try:
        inner = (folder / "model" / "model.json").exists()
        with guard_model_call(model_class, "load"):
            return load_model(folder / "model" if inner else folder, model_class)
    except (ModelFileError, ModelFailedError) as error:
        raise CommandError(f"--model cannot be used: {error}") from None
