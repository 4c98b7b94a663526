# Each target sets up what it needs first: `make ask` and `make test` work in a fresh clone.
PYTHON ?= python3
BASE := .venv/base
DEV := .venv/dev
LOCK := --quiet --no-header --no-emit-index-url --no-emit-find-links --strip-extras pyproject.toml
EVAL := .venv/evaluation
TRAINED := .venv/trained
SYSTEMS ?= policyqa obvious similarity bm25 question-only
SET ?= gold
Q ?= how long is data retained?
# Taken as it is typed: neither make nor the shell may read anything into a question.
override Q := $(value Q)
export Q

export HF_HUB_OFFLINE := 1
export ANONYMIZED_TELEMETRY := False

.PHONY: ask chat test check eval gate speed train pictures lock clean

ask: $(BASE)/.installed  ## answer a question: make ask Q="is my data sold?"
	@$(BASE)/bin/policyqa ask "$$Q"

chat: $(BASE)/.installed  ## open the chat in a browser
	@$(BASE)/bin/policyqa chat

test: $(DEV)/.installed  ## run the tests
	$(DEV)/bin/python -m pytest $(ARGS)

check: $(DEV)/.installed  ## lint and type-check
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy

eval: $(DEV)/.installed  ## measure on the gold questions, or on a set: make eval SET=opp115 DATA=DIR
	$(DEV)/bin/policyqa eval run --set "$(SET)" $(if $(DATA),--data "$(DATA)") \
		--home $(EVAL) --out "$(EVAL)/$(SET)" $(SYSTEMS:%=--system %)

gate: $(DEV)/.installed  ## fail if answers to the gold questions are worse than the baseline's
	$(DEV)/bin/policyqa eval gate --baseline eval/baseline.json --home $(EVAL) --out $(EVAL)/gate

speed: $(DEV)/.installed  ## compare with the obvious pipeline, in one run
	$(DEV)/bin/python -m eval.speed

train: $(DEV)/.installed  ## train the encoder and the reader: make train DATA=DIR
	$(DEV)/bin/python -m eval.train.encoder --data "$(DATA)" --out $(TRAINED)
	$(DEV)/bin/python -m index.model.export --weights $(TRAINED)/weights
	$(DEV)/bin/python -m eval.train --data "$(DATA)" --home $(TRAINED)/home
	$(DEV)/bin/python -m eval.train.spans --data "$(DATA)"

$(BASE)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BASE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(DEV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

pictures: $(DEV)/.installed  ## draw the README's pictures of the chat
	$(DEV)/bin/python tests/pictures.py

lock: $(DEV)/.installed  ## resolve both lock files again
	$(DEV)/bin/python -m piptools compile $(LOCK) --generate-hashes -o requirements.lock
	$(DEV)/bin/python -m piptools compile $(LOCK) --extra encoders --extra eval --extra llm --extra hf --extra dev -o requirements-dev.lock
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements-dev.lock

clean:  ## remove the environments
	rm -rf .venv
