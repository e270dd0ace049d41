"""Style: colours, numbers, ticks."""

from iclgd.reporting import style


def test_number():
    assert [style.number(v) for v in (0, 0.005, 5e-5, 200)] == ["0", "0.005", "5e-5", "200"]


def test_ramp_keeps_its_ends_and_darkens():
    colours = style.ramp(style.RATES, 8)
    assert colours[0] == style.RATES[0] and colours[-1] == style.RATES[-1]
    light = [sum(int(one[i : i + 2], 16) for i in (1, 3, 5)) for one in colours]
    assert light == sorted(light, reverse=True)
    assert style.ramp(style.RATES, 0) == [] and len(style.ramp(style.RATES, 1)) == 1


def test_epoch_ticks():
    assert style.epoch_ticks(200) == [0, 1, 2, 5, 10, 20, 50, 100, 200]
    assert style.epoch_ticks(10000) == [0, 1, 10, 100, 1000, 10000]
    assert style.epoch_ticks(400) == [0, 1, 2, 5, 10, 20, 50, 100, 200, 400]
    assert style.epoch_ticks(400, wide=160) == [0, 1, 2, 5, 10, 20, 50, 100, 400]
    assert style.epoch_ticks(400, wide=60) == [0, 2, 10, 50, 400]
