"""`csx gateway ...`: the API's documents, its keys, its people and its audit."""

import typer

from services.gateway.commands import audit, documents, keys, people

app = typer.Typer(no_args_is_help=True, help="The API: its documents, its keys, its people, its audit.")
app.add_typer(keys.app, name="keys")
app.add_typer(people.app, name="users")
app.add_typer(audit.app, name="audit")
documents.add_to(app)
