"""Which layers a wall has on which system, and that none is missing unsaid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from golden.render import LIMITS, MAC, OLD, ROOT, USER

from ostiary.cell.compile_linux import compile_linux, compile_shared_namespaces
from ostiary.cell.profile import Layer, SystemFacts, choose_profile, explain_missing, required_layers
from ostiary.errors import CellRefused

ALWAYS = {
    Layer.ENVIRONMENT,
    Layer.DESCRIPTORS,
    Layer.RESOURCES,
    Layer.LANDLOCK,
    Layer.PRIVILEGES,
    Layer.NOT_DUMPABLE,
    Layer.SECCOMP,
}


@pytest.mark.parametrize(
    ("facts", "layers"),
    [
        (ROOT, ALWAYS | {Layer.USER, Layer.NAMESPACES, Layer.NO_NEW_CODE}),
        (USER, ALWAYS | {Layer.NAMESPACES, Layer.NO_NEW_CODE}),
        (OLD, ALWAYS),
        (replace(USER, namespaces=frozenset({"user", "network"})), ALWAYS | {Layer.NO_NEW_CODE}),
        (replace(USER, namespaces=ROOT.namespaces), ALWAYS | {Layer.NO_NEW_CODE}),  # it cannot make them itself
        (
            MAC,
            {Layer.ENVIRONMENT, Layer.DESCRIPTORS, Layer.RESOURCES, Layer.NOT_DUMPABLE, Layer.SEATBELT},
        ),
    ],
)
def test_the_wall_of_a_system(facts: SystemFacts, layers: set[Layer]) -> None:
    profile = choose_profile(facts, LIMITS)
    assert profile.layers == layers
    assert set(required_layers(facts)) == layers
    assert profile.names == tuple(layer.value for layer in Layer if layer in layers)
    assert not profile.without


@pytest.mark.parametrize(
    ("facts", "layer"),
    [
        (replace(ROOT, landlock_version=0), "landlock"),
        (replace(ROOT, has_seccomp=False), "seccomp"),
        (replace(ROOT, machine="riscv64"), "seccomp"),
        (replace(ROOT, can_change_user=False), "user"),
        (replace(MAC, has_seatbelt=False), "seatbelt"),
    ],
)
def test_a_missing_layer_is_named_and_nothing_starts(facts: SystemFacts, layer: str) -> None:
    with pytest.raises(CellRefused, match=f"the layer {layer} is missing: ") as caught:
        choose_profile(facts, LIMITS)
    assert caught.value.code == "CELL_WALL_UNAVAILABLE"
    profile = choose_profile(facts, LIMITS, [Layer(layer)])
    assert Layer(layer) not in profile.layers
    assert profile.without == {Layer(layer)}


def test_other_systems_have_no_wall() -> None:
    with pytest.raises(CellRefused, match="there is no wall for win32"):
        choose_profile(replace(ROOT, system="win32"), LIMITS)


def test_leaving_out_a_layer_that_the_system_has_not_is_nothing_to_record() -> None:
    assert not choose_profile(OLD, LIMITS, [Layer.USER, Layer.SEATBELT]).without


@pytest.mark.parametrize("layer", [Layer.LANDLOCK, Layer.SECCOMP])
def test_what_a_layer_stands_on_is_not_taken_away_under_it(layer: Layer) -> None:
    with pytest.raises(CellRefused, match="cannot stand without privileges"):
        choose_profile(USER, LIMITS, [Layer.PRIVILEGES])
    others = {Layer.LANDLOCK, Layer.SECCOMP} - {layer}
    with pytest.raises(CellRefused, match=f"{layer.value} cannot stand"):
        choose_profile(USER, LIMITS, [Layer.PRIVILEGES, *others])
    assert choose_profile(USER, LIMITS, [Layer.PRIVILEGES, layer, *others]).layers


def test_there_is_a_reason_only_where_a_layer_is_missing() -> None:
    bare = replace(OLD, user_id=0, landlock_version=0, has_seccomp=False)
    for layer in Layer:
        assert not explain_missing(ROOT, layer) or layer is Layer.SEATBELT
        has_reason = layer not in {Layer.ENVIRONMENT, Layer.DESCRIPTORS, Layer.RESOURCES} | {
            Layer.PRIVILEGES,
            Layer.NOT_DUMPABLE,
        }
        assert bool(explain_missing(bare, layer)) is has_reason


@pytest.mark.parametrize("layer", list(Layer))
def test_a_layer_that_is_left_out_leaves_nothing_behind(layer: Layer) -> None:
    without = {layer} | ({Layer.LANDLOCK, Layer.SECCOMP} if layer is Layer.PRIVILEGES else set())
    wall = compile_linux(choose_profile(ROOT, LIMITS, without))
    left_out = {
        Layer.ENVIRONMENT: not wall.clears_environment,
        Layer.DESCRIPTORS: not wall.closes_descriptors,
        Layer.NAMESPACES: wall.namespaces == wall.shared_namespaces == 0,
        Layer.RESOURCES: wall.resources == (),
        Layer.LANDLOCK: wall.landlock is None,
        Layer.USER: wall.user is None,
        Layer.PRIVILEGES: not wall.drops_privileges,
        Layer.NO_NEW_CODE: not wall.forbids_new_code,
        Layer.NOT_DUMPABLE: not wall.is_not_dumpable,
        Layer.SECCOMP: wall.filter_asking is wall.filter_killing is wall.filter_closing is None,
    }
    for other, is_out in left_out.items():
        assert is_out is (other in without), other


def test_cells_of_one_root_have_users_of_their_own() -> None:
    profile = choose_profile(ROOT, LIMITS)
    users = [compile_linux(profile, serial=serial).user for serial in (0, 1, (1 << 28) - 1, 1 << 28)]
    assert users == [(0x7000_0000,) * 2, (0x7000_0001,) * 2, (0x7FFF_FFFF,) * 2, (0x7000_0000,) * 2]


def test_threads_of_others_count_only_where_the_kernel_counts_them() -> None:
    def limit(facts: SystemFacts) -> int:
        wall = compile_linux(choose_profile(facts, LIMITS), threads_of_user=500)
        return {name: soft for name, soft, _ in wall.resources}[6]

    assert [limit(facts) for facts in (ROOT, USER, OLD)] == [10, 10, 510]


def test_who_is_not_root_needs_a_namespace_of_users_for_the_rest() -> None:
    users = 0x1000_0000
    for facts, expected in ((ROOT, 0), (USER, users)):
        profile = choose_profile(facts, LIMITS)
        assert compile_linux(profile).namespaces & users == expected
        assert compile_shared_namespaces(profile) & users == expected


@pytest.mark.parametrize("version", range(1, 12))
def test_landlock_gives_up_all_that_its_version_knows(version: int) -> None:
    files, ports, scopes = (
        compile_linux(choose_profile(replace(ROOT, landlock_version=version), LIMITS)).landlock or ()
    )
    assert files.bit_count() == 13 + (version >= 2) + (version >= 3) + (version >= 5)
    assert ports == (3 if version >= 4 else 0)
    assert scopes == (3 if version >= 6 else 0)
