"""What every part of a config is: frozen, and an unknown key in it is an error."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Part(BaseModel):
    """A frozen part of a config in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
