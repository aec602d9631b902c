"""`csx gateway ...`: the API's documents, its keys, its people and its audit."""

import typer

from services.gateway import audit_cli, documents_cli, keys_cli, people_cli

app = typer.Typer(no_args_is_help=True, help="The API: its documents, its keys, its people, its audit.")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(people_cli.app, name="users")
app.add_typer(audit_cli.app, name="audit")
documents_cli.add_to(app)
