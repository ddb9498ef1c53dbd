import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// What a session does when nobody disturbs it.
@Suite(.timeLimit(.minutes(3)))
struct SessionTests {
    let engine: Engine
    let folder: TemporaryFolder

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
    }

    @Test("progress counts views, then steps, and ends with the last")
    func progress() async throws {
        let progress = try await engine.newSession().finish().compactMap { event -> TrainEvent.Progress? in
            if case .progress(let progress) = event { progress } else { nil }
        }
        let encoding = progress.filter { $0.phase == .encoding }
        let training = progress.filter { $0.phase == .training }
        #expect(encoding.allSatisfy { $0.steps == 5 && (1...5).contains($0.step) && $0.loss == 0 })
        #expect(training.allSatisfy { $0.steps == 6 && (1...6).contains($0.step) && $0.loss > 0 })
        #expect(progress == encoding + training)
        for phase in [encoding, training] {
            #expect(zip(phase, phase.dropFirst()).allSatisfy { $0.step < $1.step })
        }
        let last = try #require(training.last)
        #expect(last.step == 6 && last.secondsLeft == 0 && last.secondsElapsed > 0)
    }

    @Test("a stream is cold, and a finished session has nothing left to do")
    func cold() async throws {
        let session = try await engine.newSession()
        _ = session.run()
        #expect(try await session.plan.stepsDone == 0)
        try await session.finish()
        #expect(try await session.plan.stepsDone == 6)
        let learned = try await session.adapterBytes()
        #expect(try await session.finish().isEmpty)
        #expect(try await session.adapterBytes() == learned)
    }

    @Test("equal seeds give equal bytes, others do not")
    func seeds() async throws {
        var bytes: [Data] = []
        for seed in [11, 11, 12, UInt64.max] {
            bytes.append(try await engine.learned(engine.quickSettings { $0.seed = seed }))
        }
        #expect(bytes[0] == bytes[1])
        #expect(bytes[0] != bytes[2])
        #expect(bytes[0] != bytes[3])
    }

    @Test("previews arrive, each with its step")
    func previews() async throws {
        let session = try await engine.newSession(settings: engine.quickSettings { $0.previewEvery = 3 })
        let previews = try await session.finish().compactMap { event -> TrainEvent.Preview? in
            if case .preview(let preview) = event { preview } else { nil }
        }
        #expect(previews.map(\.step) == [3, 6])
        for preview in previews {
            #expect(preview.picture.width == engine.info.imageSize)
            #expect(Set(preview.picture.rgb).count > 10)
        }
        #expect(previews.first?.picture != previews.last?.picture)
    }

    @Test("the plan says what a session needs")
    func plan() async throws {
        let plan = try await engine.newSession().plan
        #expect(plan.steps == 6 && plan.stepsDone == 0 && plan.photos == 2 && plan.views == 5)
        #expect(plan.instanceRows == 2 && plan.priorRows == 2)
        #expect(plan.priorClass == "dog")
        #expect(plan.memoryBytes > 1_000_000 && plan.residentMemoryBytes == plan.memoryBytes)
        #expect(plan.journalBytes > 0)
        #expect(!plan.staged)
        let alone = try await engine.newSession(settings: engine.quickSettings { $0.priorLossWeight = 0 }).plan
        #expect(alone.instanceRows == 4 && alone.priorRows == 0)
        #expect(alone.priorClass.isEmpty)
    }

    @Test("a memory limit changes the plan and not the bytes")
    func memoryLimit() async throws {
        let settings = try engine.quickSettings()
        let limited = try await World.open(World.tinyBundle, memoryLimitBytes: 1)
        let session = try await limited.newSession(settings: settings)
        let plan = try await session.plan
        #expect(plan.staged)
        #expect(plan.memoryBytes < plan.residentMemoryBytes)
        try await session.finish()
        #expect(try await session.adapterBytes() == engine.learned(settings))
    }

    @Test("every setting arrives where it belongs")
    func everySetting() async throws {
        let settings = TrainSettings(
            className: "mug", token: "<mine>", adapterKind: "lora", optimizer: "muon", lrSchedule: "cosine",
            previewPrompt: "a mug", seed: 1, steps: 2, warmupSteps: 3, views: 4, checkpointEvery: 5,
            previewEvery: 6, learningRate: 0.5, modifierLearningRate: 0.25, weightDecay: 0.125, maxGradNorm: 2.5,
            priorLossWeight: 0.75, priorTextWeight: 1.5, fineTimesteps: 0.625, hflip: true,
            sizeAugmentation: false, captionPlaces: true)
        let file = try await engine.learn(folder.file("a.safetensors"), settings: settings)
        let info = try await engine.loadAdapter(file).info
        #expect(info == AdapterInfo(kind: "lora", tokens: ["<mine>"], className: "mug", json: info.json))
        let training = try #require(try jsonObject(info.json)["training"] as? NSDictionary)
        let expected: NSDictionary = [
            "class_name": "mug", "token": "<mine>", "adapter_kind": "lora", "optimizer": "muon",
            "lr_schedule": "cosine", "preview_prompt": "a mug", "seed": 1, "steps": 2, "warmup_steps": 3, "views": 4,
            "checkpoint_every": 5, "preview_every": 6, "learning_rate": 0.5, "modifier_learning_rate": 0.25,
            "weight_decay": 0.125, "max_grad_norm": 2.5, "prior_loss_weight": 0.75, "prior_text_weight": 1.5,
            "fine_timesteps": 0.625, "hflip": true, "size_augmentation": false, "caption_places": true, "photos": 2,
        ]
        #expect(training == expected)
    }

    @Test("recommended settings are the bundle's")
    func recommended() throws {
        let recommended = try #require(try jsonObject(engine.info.json)["recommended"] as? [String: [String: Any]])
        let settings = try engine.trainSettings(className: "dog", token: token)
        #expect(settings.className == "dog" && settings.token == token)
        if let steps = recommended["training"]?["steps"] as? Int { #expect(settings.steps == steps) }
        if let rate = recommended["training"]?["learning_rate"] as? Double { #expect(settings.learningRate == rate) }
        let painting = try engine.sampleSettings(prompt: "a dog")
        #expect(painting.prompt == "a dog")
        #expect(try #require(recommended["sampling"]?["guidance_scale"] as? Double) == painting.guidanceScale)
        #expect(try #require(recommended["sampling"]?["steps"] as? Int) == painting.steps)
    }

    @Test("photos come before the run")
    func photosFirst() async throws {
        let session = try await engine.createSession(engine.quickSettings(), journal: nil)
        await expectFails(LikenessError.invalidArgument, "no photo") { try await session.finish() }
        await expectFails(LikenessError.invalidArgument) { try await session.saveAdapter(folder.file("a")) }
        await expectFails(LikenessError.badPhoto) { try await session.addPhoto(photo(width: 31, height: 400)) }
        try await session.addPhoto(photo(width: 32, height: 32))
        try await session.finish()
        await expectFails(LikenessError.invalidArgument) { try await session.addPhoto(photo()) }
    }

    @Test("a journal says whether it can be resumed")
    func canResume() async throws {
        let journal = folder.file("journal")
        #expect(!Session.canResume(journal))
        let session = try await engine.newSession(journal: journal)
        #expect(!Session.canResume(journal))
        try await session.finish()
        #expect(Session.canResume(journal))
    }
}

func jsonObject(_ json: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
}
