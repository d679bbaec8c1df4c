"""The programs of the README, in turn, as one."""

import pathlib
import re

import torch

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_programs_of_the_readme(capsys):
    programs = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(programs) == 5
    names = {}
    exec("\n".join(programs), names)
    accuracy = (names["model"].eval()(names["x"]).argmax(1) == names["labels"]).float().mean()
    assert accuracy > 0.95
    assert names["output"].shape == (2, 10) and names["entropy"].shape == (512,)
    assert names["model"][0].sample_origin == 64
    assert "tensor" in capsys.readouterr().out and torch.is_tensor(names["mutual_information"])
