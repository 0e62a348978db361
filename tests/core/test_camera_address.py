"""A camera's address taken apart, so that its secrets go where they belong and nowhere else."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.camera_address import camera_address
from octoprint_spaghetti.core.errors import CameraMissing, SettingRefused
from octoprint_spaghetti.core.settings import check


def test_name_and_password_leave_the_address() -> None:
    """They are decoded, and what is left of the address is what is asked for."""
    address = camera_address("http://admin:p%40ss@192.0.2.9:8080/snap.jpg?res=hd#top", "http")
    assert (address.host, address.url) == ("192.0.2.9:8080", "http://192.0.2.9:8080/snap.jpg?res=hd")
    assert (address.name, address.password) == ("admin", "p@ss")


def test_nothing_secret_is_shown() -> None:
    """Cameras take passwords in paths and queries too: only host and port may stand in a log."""
    shown = repr(camera_address("http://admin:geheim@cam:80/user=admin_password=geheim?pwd=geheim", "http"))
    assert "geheim" not in shown
    assert "cam:80" in shown


def test_an_address_of_another_kind_is_told() -> None:
    """An RTSP address in the field of a snapshot camera is a choice to correct."""
    with pytest.raises(CameraMissing, match="must begin with http:// or https://"):
        camera_address("rtsp://cam/live", "http", "https")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("cam/snap.jpg", id="no scheme"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("http://", id="no host"),
        pytest.param("http://cam:99999/", id="a port that cannot be"),
        pytest.param("http://cam/a b", id="a blank"),
        pytest.param("http://[::1/", id="half an IPv6 address"),
        pytest.param("gopher://admin:geheim@cam/", id="an unknown scheme"),
    ],
)
def test_a_setting_that_is_no_cameras_address_is_refused(value: str) -> None:
    """With an example, and without repeating what may hold a password."""
    with pytest.raises(SettingRefused, match="such as http://") as refusal:
        check("camera_url", value)
    assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://admin:2024#geheim@cam/x",
        "http://admin:2024/geheim@cam/x",
        "http://admin:2024?geheim@cam/",
        "http://admin:a#b@cam/",
    ],
)
@pytest.mark.parametrize("name", ["camera_url", "also_watched"])
def test_a_password_that_would_be_taken_for_a_port_is_refused(name: str, value: str) -> None:
    """Else its beginning would be the camera's name in every sentence; who typed it learns how to write it."""
    with pytest.raises(SettingRefused, match="%23 for #") as refusal:
        check(name, [value] if name == "also_watched" else value)
    assert "geheim" not in str(refusal.value)
    assert "2024" not in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://admin:2024%23geheim@cam/x",
        "http://cam:8080/snap.jpg?mail=a@b",
        "http://cam:8080/@admin/live",
        "rtsp://cam/user=a@b",
    ],
)
def test_an_at_sign_elsewhere_is_none_of_a_password(value: str) -> None:
    """Paths and queries may hold one."""
    assert check("camera_url", value) == value
