from duralava import trees


def test_leaves_are_named_by_their_path():
    tree = {"a": {"kernel": 1, "bias": 2}, "b": 3}
    leaves = trees.named_leaves(tree)
    assert list(leaves.items()) == [("a/bias", 2), ("a/kernel", 1), ("b", 3)]
    assert trees.nested(leaves) == tree
