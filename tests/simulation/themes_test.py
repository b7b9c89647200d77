import numpy as np

from duralava.simulation import themes


def test_there_are_five_themes_and_the_default_comes_first():
    assert len(themes.THEMES) == 5
    assert next(iter(themes.THEMES)) == themes.DEFAULT_THEME


def test_colours_are_colours_and_wax_gets_brighter():
    for theme in themes.THEMES.values():
        wax = np.array(theme.wax)
        light = theme.foot, theme.glow, theme.highlight
        others = (theme.liquid, theme.side, *light, theme.metal)
        colours = np.concatenate([wax, others])
        assert colours.shape == (11, 3)
        assert colours.min() >= 0 and colours.max() <= 1
        assert (np.diff(wax.sum(axis=1)) > 0).all()
        # Even the dimmest wax stands out from the liquid.
        assert wax[0].sum() > sum(theme.liquid) + 0.2
