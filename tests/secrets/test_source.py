"""One reference's credentials: shared, renewed, replaced, and survived while the manager is away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from erm_alembic.config.credentials.source import CredentialSource
from erm_alembic.config.redaction import redact, register_secret
from erm_alembic.config.secrets import Secret
from erm_alembic.errors import ConfigurationError
from tests.support.waiting import until


class Manager:
    """Gives one user after another, each for ten seconds, unless it is away."""

    def __init__(self, *, lasts: float | None = 10.0, renewable: bool = True) -> None:
        self.lasts, self.renewable = lasts, renewable
        self.fetched = self.renewed = 0
        self.away = False
        self.grants: float | None = lasts
        self.answer = threading.Event()
        self.answer.set()

    def fetch(self) -> tuple[str | None, str, Secret]:
        self.answer.wait()
        if self.away:
            raise ConfigurationError("It is away.", effect="Nothing.", cure="Wait.")
        self.fetched += 1
        register_secret(f"password-of-user-{self.fetched}")
        return f"user-{self.fetched}", f"password-of-user-{self.fetched}", self._secret(self.lasts)

    def renew(self, secret: Secret) -> Secret | None:
        if self.away:
            raise ConfigurationError("It is away.", effect="Nothing.", cure="Wait.")
        self.renewed += 1
        return self._secret(self.grants)

    def _secret(self, seconds: float | None) -> Secret:
        lasts = None if seconds is None else timedelta(seconds=seconds)
        return Secret(lasts=lasts, ends_sessions=seconds is not None, renewable=self.renewable)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def source_of(manager: Manager) -> tuple[CredentialSource, Clock]:
    """A source whose renewal is up to the test."""
    clock = Clock()
    return CredentialSource("vault:test", manager, clock=clock, background=False), clock


def test_many_who_ask_at_once_cause_one_request() -> None:
    """They wait for the one who asks, and all get the same credential."""
    manager = Manager()
    source, _ = source_of(manager)
    manager.answer.clear()
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(source.current().user)) for _ in range(8)]
    for thread in threads:
        thread.start()
    manager.answer.set()
    for thread in threads:
        thread.join(10)
    assert found == ["user-1"] * 8
    assert manager.fetched == 1


def test_a_lease_is_renewed_at_about_half_of_its_time() -> None:
    """Not before; and its credential is the same afterwards, good for longer."""
    manager = Manager()
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 4.0
    source.tend()
    assert manager.renewed == 0
    clock.now += 2.0
    source.tend()
    assert (manager.renewed, manager.fetched, source.current() is first) == (1, 1, True)
    assert first.remaining() == 10.0


def test_what_cannot_be_renewed_is_replaced_while_it_is_still_good() -> None:
    """New connections get the next one; those that are open make room before the end, not at once."""
    manager = Manager(renewable=False)
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 6.0
    source.tend()
    second = source.current()
    assert (first.user, second.user, manager.renewed) == ("user-1", "user-2", 0)
    assert not first.ends_session(0.0) and not second.ends_session(1.0)
    clock.now += 1.5  # two and a half seconds are left
    assert first.ends_session(0.0) and not second.ends_session(1.0)


def test_sessions_that_were_opened_together_are_replaced_apart() -> None:
    """By the spread of each: a pool is not emptied at one moment."""
    manager = Manager(renewable=False)
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 6.5
    source.tend()
    assert [first.ends_session(spread) for spread in (0.0, 0.5, 1.0)] == [False, False, True]


def test_a_lease_that_comes_to_its_end_is_replaced_at_once() -> None:
    """A renewal that gives less than before says that there is a longest time."""
    manager = Manager()
    source, clock = source_of(manager)
    source.current()
    manager.grants = 3.0
    clock.now += 6.0
    source.tend()
    assert (manager.renewed, manager.fetched) == (1, 1)
    source.tend()
    assert (manager.renewed, manager.fetched, source.current().user) == (1, 2, "user-2")


def test_a_manager_that_is_away_is_survived_while_the_credential_is_good(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so once, nobody's session is replaced, and it is renewed when the manager is back."""
    manager = Manager()
    source, clock = source_of(manager)
    first = source.current()
    manager.away = True
    for _ in range(3):
        clock.now += 2.0
        source.tend()
        assert source.current() is first and not first.ends_session(1.0)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "the credentials of vault:test cannot be renewed now, and the known ones are good for another 4 s: It is away."
    ]
    manager.away = False
    clock.now += 2.0
    source.tend()
    assert (source.current() is first, first.remaining()) == (True, 10.0)


def test_without_anything_good_a_failure_is_everybodys_for_a_moment() -> None:
    """A manager that comes back is not asked by all at once; after a pause it is asked again."""
    manager = Manager()
    source, clock = source_of(manager)
    manager.away = True
    with pytest.raises(ConfigurationError, match="It is away"):
        source.current()
    manager.away = False
    with pytest.raises(ConfigurationError, match="It is away"):
        source.current()
    assert manager.fetched == 0
    clock.now += 1.1
    assert source.current().user == "user-1"


def test_what_has_ended_is_given_to_nobody() -> None:
    """A credential whose time is over is replaced by whoever asks."""
    manager = Manager()
    source, clock = source_of(manager)
    source.current()
    clock.now += 9.9
    assert source.current().user == "user-2"


def test_a_refused_credential_is_replaced_once() -> None:
    """Somebody revoked it: all sessions with it make room. One that is just a moment old is not replaced again."""
    manager = Manager()
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 5.5
    assert source.refused(first.user, first.password) is True
    second = source.current()
    assert (second.user, first.ends_session(0.0)) == ("user-2", True)
    assert source.refused(second.user, second.password) is False
    assert manager.fetched == 2
    assert source.refused(first.user, first.password) is True, "there is another one than that"


def test_a_standby_that_does_not_know_a_new_role_gets_the_one_before() -> None:
    """For as long as the new one is new, and the former one is good."""
    manager = Manager(renewable=False)
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 6.0
    source.tend()
    second = source.current()
    assert source.before(second.password) is first
    clock.now += 4.0
    assert source.before(second.password) is None


def test_a_password_without_an_end_is_asked_for_again_when_it_is_refused() -> None:
    """Nobody says when it changes; where the manager has the same one, there is nothing else to try."""
    manager = Manager(lasts=None)
    source, clock = source_of(manager)
    first = source.current()
    clock.now += 86_400.0
    assert source.current() is first
    assert source.refused(None, first.password) is True
    assert source.current().user == "user-2"


def test_former_passwords_are_masked_for_a_while_and_then_forgotten() -> None:
    """There would be ever more of them to look for."""
    manager = Manager(renewable=False)
    source, clock = source_of(manager)
    for _ in range(12):
        source.current()
        clock.now += 9.9
    assert redact("password-of-user-12 password-of-user-11") == "*** ***"
    assert redact("password-of-user-2") == "password-of-user-2"


def test_work_that_may_take_long_begins_with_a_fresh_lease() -> None:
    """Of what was taken a moment ago nothing is taken anew; a manager that is away changes nothing."""
    manager = Manager()
    source, clock = source_of(manager)
    source.current()
    source.freshen(3.0)
    assert manager.fetched == 1
    clock.now += 4.0
    manager.away = True
    source.freshen(3.0)
    assert source.current().user == "user-1"
    clock.now += 2.0
    manager.away = False
    source.freshen(3.0)
    assert source.current().user == "user-2"


def test_of_a_lease_of_seconds_long_work_gets_three_quarters_at_least() -> None:
    """Also where one that was taken a while ago would do, were it longer."""
    manager = Manager()
    source, clock = source_of(manager)
    source.current()
    clock.now += 3.0
    source.freshen(20.0)
    assert source.current().user == "user-2"


def test_a_thread_renews_and_ends_with_its_source() -> None:
    """Nobody has to ask for it, and nothing is left behind."""
    before = set(threading.enumerate())
    manager = Manager(lasts=0.3)
    source = CredentialSource("vault:test", manager)
    source.current()
    until(lambda: manager.renewed >= 3)
    (thread,) = [each for each in set(threading.enumerate()) - before if each.name == "erm-credentials"]
    del source
    until(lambda: not thread.is_alive())
