"""erm.yaml: which database is chosen, what is in force, and every problem at once."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.settings import PolicySettings, PoolSettings, Settings
from erm_alembic.errors import ConfigurationError

WHOLE = """\
database:
  url: postgresql://base/app
  pool: {max_conns: 20, min_conns: 4, max_conn_lifetime: 45m}
  replicas: [{name: east, url: postgresql://east/app, max_follower_lag: 500ms}]
  routing:
    default_policy: reporting
    policies: {reporting: {read_only: true, max_follower_lag: 20s}}
  environments:
    dev: {url: "embedded://app_dev", replicas: []}
    staging:
      url: postgresql://staging/app
      pool: {max_conns: 5}
      routing: {policies: {reporting: {max_follower_lag: 1h}}}
      safety: {rules: {missing-downgrade: off}}
      migrations: {alembic_ini: alembic.ini}
      ledger: {schema: ours}
    later:
safety: {downgrades_since: 0012, rules: {several-heads: warning}}
migrations: {directory: migrations, role: owner}
module: {anything: [goes, !here 1]}
extensions:
"""


def load(folder: Path, text: str | None = None, env: str | None = None, /, **environ: str) -> Settings:
    """The settings of an erm.yaml in a folder."""
    if text is not None:
        folder.joinpath("erm.yaml").write_text(text)
    return load_settings(env, cwd=folder, environ=environ)


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong in an erm.yaml, one line a problem."""
    with pytest.raises(InvalidConfiguration) as caught:
        load(folder, text)
    return [str(problem) for problem in caught.value.problems]


def test_the_profile_wins_over_the_base_key_by_key(tmp_path: Path) -> None:
    """Pool, routing, safety, migrations and ledger of the profile lie over the base's; what it leaves out stays."""
    settings = load(tmp_path, WHOLE, "staging")
    assert settings.pool == PoolSettings(max_conns=5, min_conns=4, max_conn_lifetime=timedelta(minutes=45))
    assert settings.routing.policies == {"reporting": PolicySettings(True, timedelta(hours=1))}
    assert settings.safety.rules == {"several-heads": "warning", "missing-downgrade": "off"}
    assert settings.safety.downgrades_since == "0012"
    assert settings.migrations.alembic_ini == tmp_path / "alembic.ini"
    assert (settings.migrations.directory, settings.migrations.role) == (None, "owner")
    assert settings.ledger.schema == "ours"
    assert [replica.max_follower_lag for replica in settings.replicas] == [timedelta(milliseconds=500)]


def test_a_profiles_list_stands_instead_of_the_bases(tmp_path: Path) -> None:
    """A profile that says `replicas: []` has none."""
    assert load(tmp_path, WHOLE, "dev").replicas == ()


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    """Origins name the file's line, of the profile where it wins, else of the base, else the default."""
    origins = load(tmp_path, WHOLE, "staging").origins
    assert origins["database.url"] == "erm.yaml:11"
    assert origins["database.pool.max_conns"] == "erm.yaml:12"
    assert origins["database.pool.min_conns"] == "erm.yaml:3"
    assert origins["database.pool.health_check_period"] == "default"
    assert origins["database.routing.policies.reporting.max_follower_lag"] == "erm.yaml:13"
    assert origins["safety.rules.several-heads"] == "erm.yaml:18"


@pytest.mark.parametrize(
    ("env", "environ", "environment", "address"),
    [
        (None, {}, "dev", "embedded://app_dev"),
        (None, {"ERM_ENV": "staging"}, "staging", "postgresql://staging/app"),
        ("staging", {"ERM_ENV": "dev"}, "staging", "postgresql://staging/app"),
        ("staging", {"ERM_DATABASE_URL": "postgresql://over/all"}, "staging", "postgresql://over/all"),
        ("qa", {}, "qa", "postgresql://base/app"),
        ("later", {}, "later", "postgresql://base/app"),
    ],
)
def test_which_database_is_chosen(
    tmp_path: Path, env: str | None, environ: dict[str, str], environment: str, address: str
) -> None:
    """ERM_DATABASE_URL beats --env, which beats ERM_ENV, which beats dev; database.url is for the rest."""
    settings = load(tmp_path, WHOLE, env, **environ)
    assert settings.url is not None
    assert (settings.environment, settings.url.reveal()) == (environment, address)


def test_a_fallback_is_said(tmp_path: Path) -> None:
    """A profile without declaration, and one without url, each say in one line that database.url is used."""
    assert load(tmp_path, WHOLE, "qa").notes == ("Environment 'qa' is not declared in erm.yaml: using database.url.",)
    assert load(tmp_path, WHOLE, "later").notes == ("Environment 'later' has no url: using database.url.",)
    assert load(tmp_path, WHOLE, "staging").notes == ()


@pytest.mark.parametrize("name", ["stagin", "Staging", "stag", "staging2", "dve"])
def test_a_name_close_to_a_profile_is_a_typo(tmp_path: Path, name: str) -> None:
    """A nearly right name never falls back to another database: exit 2, and the right name."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, WHOLE, name)
    near = "dev" if name == "dve" else "staging"
    assert caught.value.exit_code == 2
    assert caught.value.what == f"There is no environment {name!r} in erm.yaml; {near!r} is close to it."
    assert caught.value.cure.startswith(f"Write --env {near},")


def test_replicas_are_left_out_when_the_variable_replaces_the_database(tmp_path: Path) -> None:
    """Standbys of the file's database are none of the one that ERM_DATABASE_URL names."""
    settings = load(tmp_path, WHOLE, "staging", ERM_DATABASE_URL="postgresql://over/all")
    assert settings.replicas == ()
    assert settings.notes == (
        "ERM_DATABASE_URL is set: it wins over the url of staging in erm.yaml.",
        "ERM_DATABASE_URL replaces the database, so the replicas in erm.yaml are left out.",
    )


def test_a_variable_that_wins_over_a_profiles_own_url_is_said(tmp_path: Path) -> None:
    """One line tells that the profile's url is not used; a profile without one loses nothing."""
    given = {"ERM_DATABASE_URL": "postgresql://over/all"}
    assert load(tmp_path, WHOLE, None, **given).notes[0] == (
        "ERM_DATABASE_URL is set: it wins over the url of dev in erm.yaml."
    )
    assert not any("wins over" in note for note in load(tmp_path, WHOLE, "later", **given).notes)
    assert load(tmp_path, "ledger: {schema: ours}\n", None, **given).notes == ()


def test_variables_inside_the_variable_are_said_to_stay(tmp_path: Path) -> None:
    """`${NOPE}` in ERM_DATABASE_URL is no variable: a note says so, and so does the cure of an unreadable address."""
    settings = load(tmp_path, None, None, ERM_DATABASE_URL="${NOPE}")
    assert settings.notes == ("ERM_DATABASE_URL is taken as it is: the `${...}` in it is not replaced.",)
    assert settings.url is not None
    with pytest.raises(ConfigurationError) as caught:
        settings.url.database_url()
    assert "taken as it is, and `${...}` is not replaced in it" in caught.value.cure


def test_a_variables_own_dollars_are_not_variables(tmp_path: Path, secret: str) -> None:
    """The value of ERM_DATABASE_URL is taken as it is, and works without any erm.yaml."""
    address = f"postgresql://app:{secret}$$${{X}}@db/app"
    settings = load(tmp_path, None, None, ERM_DATABASE_URL=address)
    assert settings.url is not None
    assert (settings.url.reveal(), settings.url.origin, settings.url.typed_password) == (
        address,
        "ERM_DATABASE_URL",
        False,
    )
    assert (settings.config_path, settings.project_dir) == (None, tmp_path)


def test_nothing_configured_names_the_three_ways(tmp_path: Path) -> None:
    """Without a file and without the variable, the error tells how to configure a database."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert (caught.value.what, caught.value.exit_code) == ("No database is configured.", 2)
    for way in ("database.environments.dev.url:", "database.url:", "ERM_DATABASE_URL="):
        assert way in caught.value.cure
    assert load_settings(cwd=tmp_path, environ={}, require_url=False).url is None


def test_a_profile_without_any_address_lists_the_declared_ones(tmp_path: Path) -> None:
    """An undeclared name without a database.url to fall back to is refused, and the profiles are listed."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "database: {environments: {dev: {url: 'embedded://a'}}}", "prod")
    assert caught.value.what == "Environment 'prod' is not declared, and there is no database.url to fall back to."
    assert caught.value.cure.startswith("Declared: dev.")


def test_the_file_is_found_upwards_to_the_repository(tmp_path: Path) -> None:
    """erm.yaml is looked for in the parents, and not beyond the folder that holds .git."""
    inner = tmp_path / "repo" / "src" / "deep"
    inner.mkdir(parents=True)
    load(tmp_path, WHOLE)
    assert load(inner).config_path == tmp_path / "erm.yaml"
    (tmp_path / "repo" / ".git").mkdir()
    with pytest.raises(ConfigurationError, match="No database is configured"):
        load(inner)
    load(tmp_path / "repo", WHOLE)
    assert load(inner).project_dir == tmp_path / "repo"


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    """--config never falls back to another file."""
    load(tmp_path, WHOLE)
    with pytest.raises(ConfigurationError, match=r"other\.yaml does not exist"):
        load_settings(config=Path("other.yaml"), cwd=tmp_path, environ={})


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Each problem has its line, its dotted key and the nearest known one, in the order of the file."""
    text = """\
databse: {}
database:
  url: mysql://app:pw@db/shop
  url: postgresql://db/shop
  pool: {max_con: 5, min_conns: many, max_conn_lifetime: 45}
  replicas: [{nam: east, url: 5}]
  environments:
    prod: {ulr: x, safety: {rules: {some-rule: fatal}}}
drift: [a]
migrations: {metadata: models}
"""
    assert problems(tmp_path, text) == [
        "line 1: databse: unknown key; did you mean database?",
        "line 3: database.url: The URL is one of mysql://, not of PostgreSQL",
        "line 4: database.url: the key is already on line 3",
        "line 5: database.pool.max_con: unknown key; did you mean max_conns?",
        "line 5: database.pool.max_conn_lifetime: '45' is not a duration; write a number and its unit, "
        "as 500ms, 15s, 45m or 1h",
        "line 5: database.pool.min_conns: a whole number is expected here",
        "line 6: database.replicas[0].nam: unknown key; did you mean name?",
        "line 6: database.replicas[0].name: this key is missing",
        "line 6: database.replicas[0].url: The text is not a URL of a database",
        "line 8: database.environments.prod.safety.rules.some-rule: "
        "one of 'error', 'warning' or 'off' is expected here",
        "line 8: database.environments.prod.ulr: unknown key; did you mean url?",
        "line 9: drift: keys and values are expected here",
        "line 10: migrations.metadata: module:attribute is expected here, as app.models:Base.metadata",
    ]


def test_keys_that_contradict_each_other_are_problems_in_every_profile(tmp_path: Path) -> None:
    """What only together is wrong is found for profiles that are not in use, too."""
    text = """\
database:
  pool: {min_conns: 4}
  replicas: [{name: a, url: "postgresql://a"}, {name: a, url: "postgresql://b"}]
  routing: {default_policy: reportin, policies: {reporting: {}}}
  environments:
    prod: {pool: {max_conns: 2}}
migrations: {directory: a, alembic_ini: b}
"""
    assert problems(tmp_path, text) == [
        "line 2: database.pool.min_conns: min_conns (4) is more than max_conns (2)",
        "line 3: database.replicas[1].name: another replica is already named 'a'",
        "line 4: database.routing.default_policy: there is no policy 'reportin'; did you mean reporting?",
        "line 7: migrations.alembic_ini: alembic_ini stands instead of directory; take one of them away",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("database: [", "line 1: not YAML: "),
        ("database:\n  url: postgresql://app:@b: c", "line 2: not YAML: mapping values are not allowed here"),
        ("- a", "line 1: the file must hold keys and values, as `database:`"),
        ("a: 1\n---\nb: 2", "not YAML: "),
        ("database: &a\n  pool: *a", "the alias stands inside itself"),
        ("database: {url: !secret x}", "line 1: database.url: the tag !secret is not known"),
        ("database: {? [a] : b}", "line 1: database: a key must be a word"),
    ],
)
def test_a_broken_file_is_explained(tmp_path: Path, text: str, says: str) -> None:
    """What YAML cannot read is told with its line, and without the text of the file."""
    found = problems(tmp_path, text)
    assert any(says in problem for problem in found), found


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A file of a few lines that stands for billions of values is refused at once."""
    levels = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12))
    assert problems(tmp_path, f"x0: &x0 a\n{levels}\n") == ["its aliases stand for too many values"]


def test_anchors_and_merge_keys_are_understood(tmp_path: Path) -> None:
    """`<<: *name` lays a mapping under another, as in every YAML file."""
    text = """\
database:
  environments:
    dev: &base {url: "postgresql://a", pool: {max_conns: 3}}
    prod: {<<: *base, url: "postgresql://b"}
"""
    settings = load(tmp_path, text, "prod")
    assert settings.url is not None
    assert (settings.url.reveal(), settings.pool.max_conns) == ("postgresql://b", 3)


def test_a_password_does_not_stand_in_the_problems(tmp_path: Path, secret: str) -> None:
    """A file whose addresses are wrong in every way is reported without its passwords."""
    text = f"""\
database:
  url: mysql://app:{secret}@db/shop
  pool: {{max_conns: postgresql://app:{secret}@db, max_conn_lifetime: password={secret}}}
  environments: {{dev: {{url: ["postgresql://app:{secret}@db"]}}, prod: {{url: 'app:{secret}@db'}}}}
"""
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path, text)
    assert secret not in f"{caught.value.what}{caught.value.problems!r}{caught.value.cure}"
    assert len(caught.value.problems) == 5


def test_variables_stand_in_any_value(tmp_path: Path) -> None:
    """Numbers, durations and names take variables and their defaults."""
    text = """\
database: {url: "postgresql://a", pool: {max_conns: "${N}", max_conn_lifetime: "${LIFE:-15s}"}}
migrations: {role: "${ROLE:-owner}"}
"""
    settings = load(tmp_path, text, None, N="7")
    assert (settings.pool.max_conns, settings.pool.max_conn_lifetime) == (7, timedelta(seconds=15))
    assert settings.migrations.role == "owner"


def test_an_unset_variable_matters_only_where_it_is_in_force(tmp_path: Path) -> None:
    """A profile's own value hides the base's unset variable; without it, variable, key and line are named."""
    text = """\
database:
  url: postgresql://a
  pool: {max_conns: "${UNSET_N}"}
  environments: {dev: {pool: {max_conns: 3}}}
"""
    assert load(tmp_path, text, "dev").pool.max_conns == 3
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path, text, "prod")
    assert [str(problem) for problem in caught.value.problems] == [
        "line 3: database.pool.max_conns: the variable UNSET_N is not set"
    ]


def test_a_file_is_checked_without_choosing_an_environment(tmp_path: Path) -> None:
    """`check_file` returns the file that is right, and None where there is none."""
    assert check_file(cwd=tmp_path, environ={}) is None
    (tmp_path / "erm.yaml").write_text(WHOLE)
    assert check_file(cwd=tmp_path, environ={}) == tmp_path / "erm.yaml"


def test_settings_cost_neither_alembic_nor_the_validation_library() -> None:
    """Importing the values in force pulls in nothing that an application does not need."""
    heavy = "{'alembic', 'typer', 'pydantic', 'sqlalchemy', 'yaml'}"
    code = f"import sys, erm_alembic.config.settings; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout == "[]\n"


def test_a_long_value_does_not_pad_the_others(tmp_path: Path) -> None:
    """The settings stay a table that fits a screen, whatever one value is like."""
    from erm_alembic.render.settings import settings_text

    address = "postgresql://db/" + "a" * 200
    lines = settings_text(load(tmp_path, f"database: {{url: '{address}'}}")).splitlines()
    assert any(address in line for line in lines)
    assert max(len(line) for line in lines[4:] if address not in line) < 120
