"""Training as it is compiled for users; other tests compile less."""

import tiny


def test_a_run_resumes(train_tiny, tmp_path):
    first = train_tiny(tiny.CONFIG, tmp_path, max_seconds=0)
    assert first.step == 1
    assert train_tiny(tiny.CONFIG, tmp_path).step == tiny.CONFIG.training.num_steps
