import keras
import numpy as np
import pytest
from tracing import run_traced

import oxhorn

rng = np.random.default_rng(0)
SHAPES = [(4, 3), (3,), (2, 3, 4)]
STARTS = [rng.normal(size=s).astype("float32") for s in SHAPES]
GRADS = [[rng.normal(size=s).astype("float32") for s in SHAPES] for _ in range(6)]

CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "clipnorm": 0.5}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "clipvalue": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.01, "global_clipnorm": 1.0}),
    ("AdamW", {"use_ema": True, "ema_overwrite_frequency": 3}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.5, "loss_scale_factor": 4.0}),
    ("Adam", {"gradient_accumulation_steps": 2, "clipnorm": 1.0}),
    ("SGD", {"gradient_accumulation_steps": 3, "use_ema": True, "momentum": 0.9}),
    ("Nadam", {"gradient_accumulation_steps": 2}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Adagrad", {}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adafactor", {}),
    ("Adafactor", {"relative_step": False, "learning_rate": 0.1}),
    ("Ftrl", {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02, "beta": 0.3}),
    ("Ftrl", {"l2_shrinkage_regularization_strength": 0.1, "learning_rate_power": -0.7}),
    ("Lion", {"weight_decay": 0.1}),
    ("Lamb", {}),
    ("Muon", {"learning_rate": 0.01}),
    ("Muon", {"rms_rate": None, "nesterov": False, "exclude_layers": ["^b$"], "adam_lr_ratio": 0.5}),
    ("ScheduleFreeAdamW", {"warmup_steps": 3}),
]


def make(library, optimizer, steps=None):
    variables = [library.Variable(value, name=name) for value, name in zip(STARTS, "abc")]
    for grads in GRADS[:steps]:
        optimizer.apply([library.ops.convert_to_tensor(g) for g in grads], variables)
    return variables


def assert_same(ours, theirs, rtol=2e-5, atol=2e-6):
    for v, w in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(v), np.asarray(w), rtol=rtol, atol=atol, err_msg=v.path)


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=lambda x: str(x))
def test_steps_variables_and_config(name, kwargs):
    theirs, ours = (getattr(library.optimizers, name)(**kwargs) for library in (keras, oxhorn))
    their_variables, our_variables = make(keras, theirs), make(oxhorn, ours)
    assert_same(our_variables, their_variables)
    # Nadam's product is named after a global counter.
    paths = [[v.path.split("/")[1] for v in o.variables if "variable" not in v.path] for o in (ours, theirs)]
    assert paths[0] == paths[1]
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    assert [v.dtype for v in ours.variables] == [v.dtype for v in theirs.variables]
    assert_same(ours.variables, theirs.variables)
    assert int(ours.iterations) == int(theirs.iterations)
    our_config, their_config = ours.get_config(), theirs.get_config()
    assert our_config.pop("name").rstrip("_0123456789") == their_config.pop("name").rstrip("_0123456789")
    assert our_config == their_config
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    ours.finalize_variable_values(our_variables)
    theirs.finalize_variable_values(their_variables)
    assert_same(our_variables, their_variables)


@pytest.mark.parametrize(
    "name", sorted({name for name, _ in CASES} | {"LossScaleOptimizer", "MultiOptimizer"})
)
def test_signature(name):
    import inspect

    ours, theirs = (inspect.signature(getattr(library.optimizers, name)) for library in (oxhorn, keras))
    assert [(p.name, p.default, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.default, p.kind) for p in theirs.parameters.values()
    ]


def test_positional_and_old_arguments():
    adam = oxhorn.optimizers.Adam(0.1, 0.8, 0.9, 1e-5, True, 0.02)
    config = adam.get_config()
    assert (config["beta_1"], config["epsilon"], config["weight_decay"]) == (0.8, 1e-5, 0.02)
    assert float(oxhorn.optimizers.SGD(lr=0.25).learning_rate) == 0.25
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        oxhorn.optimizers.SGD(decay=1e-6)
    with pytest.raises(TypeError, match="multiple values"):
        oxhorn.optimizers.SGD(0.1, learning_rate=0.2)
    with pytest.raises(ValueError, match="not recognized"):
        oxhorn.optimizers.Adam(beta_3=0.1)


@pytest.mark.parametrize(
    ("name", "kwargs"), [*CASES[::4], ("Adam", {"gradient_accumulation_steps": 2})], ids=str
)
def test_traced(name, kwargs):
    eager, traced = (getattr(oxhorn.optimizers, name)(**kwargs) for _ in range(2))
    expected = make(oxhorn, eager, steps=1)
    variables = make(oxhorn, traced, steps=1)
    for _ in range(3):
        eager.apply([oxhorn.ops.convert_to_tensor(g) for g in GRADS[1]], expected)
    run_traced(lambda *grads: traced.apply(list(grads), variables), *GRADS[1], calls=3)
    assert_same(variables, expected)
    assert_same(traced.variables, eager.variables)


def test_stateless_apply():
    def run(library):
        optimizer = library.optimizers.Adam(0.1, gradient_accumulation_steps=2)
        variables = [library.Variable(value) for value in STARTS]
        optimizer.build(variables)
        values, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
        for grads in GRADS[:4]:
            grads = [library.ops.convert_to_tensor(g) for g in grads]
            values, slots = optimizer.stateless_apply(slots, grads, values)
        assert int(optimizer.iterations) == 0
        return [np.asarray(v) for v in (*values, *slots)]

    for ours, theirs in zip(run(oxhorn), run(keras), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_learning_rate():
    sgd = oxhorn.optimizers.SGD(0.5)
    sgd.learning_rate = 0.25
    assert float(sgd.learning_rate) == 0.25
    assert len(sgd.variables) == 2
    sgd.learning_rate = oxhorn.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5)
    assert len(sgd.variables) == 1
    make(oxhorn, sgd, steps=4)
    assert float(sgd.learning_rate) == pytest.approx(0.125)
    with pytest.raises(TypeError, match="not settable"):
        sgd.learning_rate = 0.1
    again = type(sgd).from_config(sgd.get_config())
    assert again.get_config() == sgd.get_config()
    assert float(oxhorn.optimizers.SGD(lambda: 0.75).learning_rate) == 0.75
    with pytest.raises(ValueError, match="should be float"):
        oxhorn.optimizers.SGD("fast")


def test_exclude_from_weight_decay():
    optimizer = oxhorn.optimizers.SGD(1.0, weight_decay=0.5)
    variables = [oxhorn.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias", "gamma")]
    optimizer.exclude_from_weight_decay(var_list=variables[2:], var_names=["bia"])
    zeros = [np.zeros(2, "float32")] * 3
    optimizer.apply(zeros, variables)
    assert [float(v.numpy()[0]) for v in variables] == [0.5, 1.0, 1.0]


def test_constraint_is_applied():
    variable = oxhorn.Variable(np.ones(2, "float32"))
    variable.constraint = oxhorn.constraints.NonNeg()
    oxhorn.optimizers.SGD(1.0).apply_gradients([(np.array([0.5, 5.0], "float32"), variable)])
    np.testing.assert_array_equal(variable.numpy(), [0.5, 0.0])


def test_overwritten_variables():
    def run(library, steps):
        scale = library.Variable(np.zeros(2, "float32"), name="scale")
        scale.overwrite_with_gradient = True
        weight = library.Variable(np.ones(2, "float32"), name="weight")
        optimizer = library.optimizers.Adam(0.1, gradient_accumulation_steps=steps)
        for i in range(3):
            grads = [library.ops.convert_to_tensor(np.array([i, 3 - i], "float32")) for _ in range(2)]
            optimizer.apply(grads, [scale, weight])
        return [np.asarray(v) for v in (scale, weight, *optimizer.variables)]

    for steps in (None, 2):
        for ours, theirs in zip(run(oxhorn, steps), run(keras, steps), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_save_and_load():
    optimizer = oxhorn.optimizers.Adam(0.1)
    make(oxhorn, optimizer)
    store = {}
    optimizer.save_own_variables(store)
    assert list(store) == [str(i) for i in range(8)]
    other = oxhorn.optimizers.Adam(0.2)
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        other.load_own_variables(store)
    other.build([oxhorn.Variable(value) for value in STARTS])
    other.load_own_variables(store)
    assert_same(other.variables, optimizer.variables, rtol=0, atol=0)
    other.set_weights([v.numpy() * 0 for v in optimizer.variables])
    assert not other.variables[2].numpy().any()
    with pytest.raises(ValueError, match="You are calling"):
        oxhorn.optimizers.Adam().set_weights([])


def test_missing_gradients():
    variables = [oxhorn.Variable(np.ones(2, "float32"), name=name) for name in "ab"]
    optimizer = oxhorn.optimizers.SGD(1.0)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['b'\]"):
        optimizer.apply([np.ones(2, "float32"), None], variables)
    assert [float(v.numpy()[0]) for v in variables] == [0.0, 1.0]
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None, None], variables)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([np.ones(2, "float32")], [oxhorn.Variable(np.ones(2, "float32"))])


def test_custom_optimizer():
    class Momentum(oxhorn.optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.slots = [self.add_variable_from_reference(v, name="slot") for v in variables]

        def update_step(self, gradient, variable, learning_rate):
            slot = self.slots[self._get_variable_index(variable)]
            self.assign(slot, 0.5 * slot + gradient)
            self.assign_sub(variable, learning_rate * slot)

    optimizer = Momentum(learning_rate=0.5)
    variables = make(oxhorn, optimizer, steps=2)
    g0, g1 = GRADS[0][0], GRADS[1][0]
    np.testing.assert_allclose(variables[0].numpy(), STARTS[0] - 0.5 * (1.5 * g0 + g1), rtol=1e-4, atol=1e-6)
    assert len(optimizer.variables) == 2 + len(SHAPES)

    class Forgetful(oxhorn.optimizers.Optimizer):
        def __init__(self):
            self.x = 1

    with pytest.raises(RuntimeError, match="forgot to call"):
        Forgetful()


def test_loss_scale():
    def run(library, stateless):
        inner = library.optimizers.Adam(0.1)
        optimizer = library.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=2)
        variables = [library.Variable(np.ones(2, "float32"))]
        optimizer.build(variables)
        values, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
        trail = []
        for factor in (1.0, 2.0, np.inf, 3.0, np.nan, 1.0, 1.0):
            grads = [library.ops.convert_to_tensor(np.array([factor, 1.0], "float32"))]
            if stateless:
                values, slots = optimizer.stateless_apply(slots, grads, values)
            else:
                optimizer.apply(grads, variables)
                values, slots = variables, optimizer.variables
            trail.append([np.asarray(v) for v in (*values, *slots)])
        return trail, optimizer.get_config()

    theirs, their_config = run(keras, stateless=True)  # the only way that works in JAX
    for stateless in (False, True):
        ours, our_config = run(oxhorn, stateless)
        for step, (our_values, their_values) in enumerate(zip(ours, theirs, strict=True)):
            for a, b in zip(our_values, their_values, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=f"step {step}")
    assert our_config.keys() == their_config.keys()
    again = oxhorn.optimizers.LossScaleOptimizer.from_config(our_config)
    assert isinstance(again.inner_optimizer, oxhorn.optimizers.Adam)
    with pytest.raises(ValueError, match="set `clipnorm` on the `inner_optimizer`"):
        oxhorn.optimizers.LossScaleOptimizer(oxhorn.optimizers.SGD(), clipnorm=1.0)


@pytest.mark.parametrize(("gradient", "scale", "iterations"), [(1.0, 16.0, 2), (np.inf, 2.0, 0)])
def test_loss_scale_traced(gradient, scale, iterations):
    inner = oxhorn.optimizers.SGD(0.5)
    optimizer = oxhorn.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=2)
    variable = oxhorn.Variable(np.ones(2, "float32"))
    optimizer.build([variable])
    run_traced(lambda g: optimizer.apply([g], [variable]), np.full(2, gradient, "float32"), calls=2)
    assert float(optimizer.dynamic_scale) == scale
    assert int(optimizer.iterations) == iterations
    np.testing.assert_array_equal(variable.numpy(), 1 - iterations * 0.5 / 8)


def test_multi_optimizer():
    def run(library):
        optimizers = library.optimizers
        table = optimizers.OptimizerMap(optimizers.SGD(0.1), {"a|b": optimizers.Adam(0.01)})
        optimizer = optimizers.MultiOptimizer(table, loss_scale_factor=2.0)
        return optimizer, make(library, optimizer)

    (ours, our_variables), (theirs, their_variables) = run(oxhorn), run(keras)
    assert_same(our_variables, their_variables)
    assert_same(ours.variables, theirs.variables)
    again = type(ours).from_config(ours.get_config())
    assert [type(o).__name__ for o in again.optimizers] == ["Adam", "SGD"]
    weights = [v.numpy() + 1 for v in ours.variables]
    ours.set_weights(weights)
    np.testing.assert_array_equal(ours.variables[-1].numpy(), weights[-1])
    with pytest.raises(AttributeError):
        _ = ours.learning_rate
    with pytest.raises(ValueError, match="cannot be LossScaleOptimizer"):
        ours._optimizer_map["c"] = oxhorn.optimizers.LossScaleOptimizer(oxhorn.optimizers.SGD())


def test_get():
    optimizers = oxhorn.optimizers
    for name in ("rmsprop", "RMSprop", "RMSPROP"):
        assert isinstance(optimizers.get(name), optimizers.RMSprop)
    adam = optimizers.get({"class_name": "Adam", "config": {"learning_rate": 0.5}})
    assert float(adam.learning_rate) == 0.5
    assert optimizers.get(adam) is adam
    assert optimizers.deserialize(optimizers.serialize(adam)).get_config() == adam.get_config()
    with pytest.raises(ValueError, match="Could not interpret optimizer"):
        optimizers.get("none such")
    with pytest.raises(ImportError):
        optimizers.legacy.Adam()


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("SGD", {"clipnorm": 1.0, "clipvalue": 1.0}, "Only one of `clipnorm`"),
        ("SGD", {"momentum": 1.5}, "`momentum` must be a float"),
        ("SGD", {"use_ema": True, "ema_momentum": 2.0}, "`ema_momentum` must be"),
        ("SGD", {"gradient_accumulation_steps": 1}, "must be an integer >= 2"),
        ("AdamW", {"weight_decay": None}, "`weight_decay` must be a float"),
        ("Lion", {"beta_1": 0.0}, "degenerates to SignSGD. Received: beta_1=0.0"),
        ("Ftrl", {"learning_rate_power": 0.5}, "needs to be negative or zero"),
        ("Ftrl", {"l1_regularization_strength": -0.5}, "`l1_regularization_strength` needs to be positive"),
    ],
)
def test_bad_arguments(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        getattr(oxhorn.optimizers, name)(**kwargs)
