import CLikeness

// Options and settings as the header has them, and back.

extension EngineOptions {
    /// Valid while `body` runs.
    func withCore<Result>(_ body: (UnsafePointer<lk_engine_options>) throws -> Result) throws -> Result {
        let cache = try cacheFolder?.corePath()
        return try withTexts(cache ?? "") { texts in
            var core = lk_engine_options()
            core.skip_hash_check = verifyHashes ? 0 : 1
            core.threads = try toCore(threads, "threads")
            core.memory_limit_bytes = try toCore(memoryLimitBytes, "memoryLimitBytes")
            core.cache_folder = cache == nil ? nil : texts[0]
            return try body(&core)
        }
    }
}

extension TrainSettings {
    init(_ core: lk_train_settings) {
        self.init(
            className: String(cString: core.class_name), token: String(cString: core.token),
            adapterKind: String(cString: core.adapter_kind), optimizer: String(cString: core.optimizer),
            lrSchedule: String(cString: core.lr_schedule),
            previewPrompt: String(cString: core.preview_prompt), seed: core.seed, steps: Int(core.steps),
            warmupSteps: Int(core.warmup_steps), views: Int(core.views),
            checkpointEvery: Int(core.checkpoint_every), previewEvery: Int(core.preview_every),
            learningRate: core.learning_rate, modifierLearningRate: core.modifier_learning_rate,
            weightDecay: core.weight_decay, maxGradNorm: core.max_grad_norm,
            priorLossWeight: core.prior_loss_weight, priorTextWeight: core.prior_text_weight,
            fineTimesteps: core.fine_timesteps, hflip: core.hflip != 0,
            sizeAugmentation: core.size_augmentation != 0, captionPlaces: core.caption_places != 0)
    }

    /// Valid while `body` runs.
    func withCore<Result>(_ body: (UnsafePointer<lk_train_settings>) throws -> Result) throws -> Result {
        try withTexts(className, token, adapterKind, optimizer, lrSchedule, previewPrompt) { texts in
            var core = lk_train_settings()
            core.class_name = texts[0]
            core.token = texts[1]
            core.adapter_kind = texts[2]
            core.optimizer = texts[3]
            core.lr_schedule = texts[4]
            core.preview_prompt = texts[5]
            core.seed = seed
            core.steps = Int64(steps)
            core.warmup_steps = Int64(warmupSteps)
            core.views = Int64(views)
            core.checkpoint_every = Int64(checkpointEvery)
            core.preview_every = Int64(previewEvery)
            core.learning_rate = learningRate
            core.modifier_learning_rate = modifierLearningRate
            core.weight_decay = weightDecay
            core.max_grad_norm = maxGradNorm
            core.prior_loss_weight = priorLossWeight
            core.prior_text_weight = priorTextWeight
            core.fine_timesteps = fineTimesteps
            core.hflip = hflip ? 1 : 0
            core.size_augmentation = sizeAugmentation ? 1 : 0
            core.caption_places = captionPlaces ? 1 : 0
            return try body(&core)
        }
    }
}

extension SampleSettings {
    init(_ core: lk_sample_settings) {
        self.init(
            prompt: String(cString: core.prompt), negativePrompt: String(cString: core.negative_prompt),
            sampler: String(cString: core.sampler), seed: core.seed, steps: Int(core.steps), count: Int(core.count),
            guidanceScale: core.guidance_scale)
    }

    /// Valid while `body` runs.
    func withCore<Result>(_ body: (UnsafePointer<lk_sample_settings>) throws -> Result) throws -> Result {
        try withTexts(prompt, negativePrompt, sampler) { texts in
            var core = lk_sample_settings()
            core.prompt = texts[0]
            core.negative_prompt = texts[1]
            core.sampler = texts[2]
            core.seed = seed
            core.steps = Int64(steps)
            core.count = Int64(count)
            core.guidance_scale = guidanceScale
            return try body(&core)
        }
    }
}
