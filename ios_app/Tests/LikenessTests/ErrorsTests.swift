import Foundation
import LikenessTestSupport
import Testing

@testable import CLikeness
@testable import Likeness

/// Everything that can go wrong has its case, and a message for people.
@Suite(.timeLimit(.minutes(3)))
struct ErrorsTests {
    let engine: Engine
    let folder: TemporaryFolder
    let manifest: String
    let weights: String

    init() async throws {
        engine = try await World.engine()
        folder = try TemporaryFolder()
        manifest = try String(contentsOf: World.tinyBundle.appendingPathComponent("manifest.json"), encoding: .utf8)
        let model = try #require(try jsonObject(manifest)["model"] as? [String: String])
        weights = try #require(model["weights_sha256"])
    }

    @Test("every status of the header has its case")
    func statuses() throws {
        let header = try String(
            contentsOf: World.repository.appendingPathComponent("device_runtime/include/likeness.h"), encoding: .utf8)
        let list = try #require(header.components(separatedBy: "} lk_status;").first)
        let statuses = Dictionary(
            uniqueKeysWithValues: list.matches(of: /LK_([A-Z_]+) = ([0-9]+)[,\s]/).map { match in
                (UInt32(match.2) ?? .max, String(match.1))
            })
        let cases: [String: (String) -> LikenessError] = [
            "INVALID_ARGUMENT": LikenessError.invalidArgument, "IO": LikenessError.storage,
            "CORRUPT": LikenessError.corruptFile, "UNSUPPORTED_VERSION": LikenessError.unsupportedVersion,
            "WRONG_MODEL": LikenessError.wrongModel, "OUT_OF_MEMORY": LikenessError.outOfMemory,
            "CANCELLED": LikenessError.cancelled, "BUSY": LikenessError.busy, "NOT_FINITE": LikenessError.notFinite,
            "DISK_FULL": LikenessError.diskFull, "INTERNAL": LikenessError.internal,
            "BAD_PHOTO": LikenessError.badPhoto,
        ]
        #expect(Set(cases.keys).union(["OK"]) == Set(statuses.values))
        for (status, name) in statuses where status != 0 {
            let error = LikenessError(lk_status(rawValue: status), message: "m")
            #expect(error == cases[name]?("m"))
            #expect(error.message == "m" && error.localizedDescription == "m")
        }
        #expect(LikenessError(lk_status(rawValue: 99), message: "m") == .internal("m"))
    }

    @Test("bundles that are none")
    func noBundle() async throws {
        await expectFails(LikenessError.storage, "manifest.json") { try await open(folder.url) }
        try Data("{".utf8).write(to: folder.file("manifest.json"))
        await expectFails(LikenessError.corruptFile, "not JSON") { try await open(folder.url) }
        let elsewhere = try #require(URL(string: "https://example.org/bundle"))
        await expectFails(LikenessError.invalidArgument, "no file") { try await open(elsewhere) }
    }

    @Test("bundles that are damaged")
    func damagedBundle() async throws {
        let bundle = folder.file("bundle")
        try FileManager.default.copyItem(at: World.tinyBundle, to: bundle)
        let program = bundle.appendingPathComponent("methods/train_step.pte")
        let whole = try Data(contentsOf: program)
        var bent = whole
        bent[whole.count / 2] &+= 1
        try bent.write(to: program)
        await expectFails(LikenessError.corruptFile, "SHA-256") { try await open(bundle) }
        try whole.dropLast().write(to: program)
        await expectFails(LikenessError.corruptFile, "bytes instead of") { try await open(bundle) }
        try FileManager.default.removeItem(at: program)
        await expectFails(LikenessError.corruptFile, "lacks its file methods/train_step.pte") {
            try await open(bundle)
        }
        try whole.write(to: program)
        try await open(bundle).close()
    }

    @Test("bundles of another version")
    func newerBundle() async throws {
        let version = try #require(manifest.firstMatch(of: /"format_version": *[0-9]+/)?.output)
        let newer = try copyBundle(
            World.tinyBundle, to: folder.file("bundle"), replacing: String(version), with: "\"format_version\": 9999")
        await expectFails(LikenessError.unsupportedVersion, "update the app") { try await open(newer) }
    }

    @Test("options that cannot be")
    func options() async throws {
        for options in [
            EngineOptions(threads: -1), EngineOptions(threads: .max), EngineOptions(threads: 1, memoryLimitBytes: -1),
        ] {
            await expectFails(LikenessError.invalidArgument, options.threads == 1 ? "memoryLimitBytes" : "threads") {
                try await Engine.open(World.tinyBundle, options: options)
            }
        }
    }

    @Test("adapters that are damaged, missing or of another model")
    func badAdapters() async throws {
        let file = try await engine.learn(folder.file("a.safetensors"))
        let whole = try Data(contentsOf: file)
        for length in [0, 7, 8, 500, whole.count / 2, whole.count - 1] {
            try whole.prefix(length).write(to: file)
            await expectFails(LikenessError.corruptFile) { try await engine.loadAdapter(file) }
        }
        try (whole.dropLast(16) + Data(repeating: 0xFF, count: 16)).write(to: file)  // floats of ones are NaN
        await expectFails(LikenessError.notFinite, "not a finite number") { try await engine.loadAdapter(file) }
        try whole.write(to: file)
        await expectFails(LikenessError.storage, "missing") { try await engine.loadAdapter(folder.file("missing")) }
        await expectFails(LikenessError.storage) { try await engine.loadAdapter(folder.url) }

        let bundle = try copyBundle(
            World.tinyBundle, to: folder.file("bundle"), replacing: weights, with: String(repeating: "3", count: 64))
        let other = try await World.open(bundle)
        await expectFails(LikenessError.wrongModel, "3333") { try await other.loadAdapter(file) }
        let adapter = try await engine.loadAdapter(file)
        await expectFails(LikenessError.wrongModel, "loaded for the model") {
            try await other.paint(other.quickSampling(), adapter: adapter)
        }
    }

    @Test("settings of a session that cannot be")
    func badTrainSettings() async throws {
        let bad: [(String, (inout TrainSettings) -> Void)] = [
            ("class_name is empty", { $0.className = "" }),
            ("token is empty", { $0.token = "" }),
            ("already in use", { $0.token = "dog</w>" }),
            ("it has: full, lora", { $0.adapterKind = "other" }),
            ("wild", { $0.lrSchedule = "wild" }),
            ("steps is 0", { $0.steps = 0 }),
            ("views is -1", { $0.views = -1 }),
            ("checkpoint_every", { $0.checkpointEvery = 0 }),
            ("learning_rate", { $0.learningRate = .nan }),
            ("shorten it", { $0.className = String(repeating: "very ", count: 30) + "long" }),
        ]
        for (message, change) in bad {
            await expectFails(LikenessError.invalidArgument, message) {
                try await engine.createSession(engine.quickSettings(change), journal: folder.file("j"))
            }
        }
        #expect(!folder.file("j").exists)
    }

    @Test("prompts and settings of pictures that cannot be")
    func badSampleSettings() async throws {
        let long = String(repeating: "dog ", count: 23)
        let bad: [(String, (inout SampleSettings) -> Void)] = [
            ("23 tokens, this model reads 22; shorten it", { $0.prompt = long }),
            ("shorten it", { $0.negativePrompt = long }),
            ("prompt is too long", { $0.prompt = String(repeating: "x", count: 5000) }),
            ("steps is 0", { $0.steps = 0 }),
            ("count is 0", { $0.count = 0 }),
            ("count is 1025", { $0.count = 1025 }),
            ("between 1 and 1024", { $0.count = .max }),
            ("wild", { $0.sampler = "wild" }),
            ("guidance_scale", { $0.guidanceScale = .infinity }),
        ]
        for (message, change) in bad {
            await expectFails(LikenessError.invalidArgument, message) {
                try await engine.paint(engine.quickSampling("a photo of a dog", change))
            }
        }
    }

    @Test("training that diverges")
    func diverges() async throws {
        let wild = try engine.quickSettings {
            $0.steps = 40
            $0.learningRate = 1e30
            $0.maxGradNorm = 0
        }
        let session = try await engine.newSession(settings: wild)
        await expectFails(LikenessError.notFinite, "lower learning rate") { try await session.finish() }
    }

    @Test("journals in use, taken, damaged, foreign and missing")
    func badJournals() async throws {
        let journal = folder.file("j")
        let first = try await engine.newSession(journal: journal)
        await expectFails(LikenessError.busy, "another session") { try await engine.newSession(journal: journal) }
        await expectFails(LikenessError.busy, "another session") { try await engine.resumeSession(journal: journal) }
        try await first.finish()
        try first.close()
        await expectFails(LikenessError.invalidArgument, "resume it, or remove") {
            try await engine.newSession(journal: journal)
        }
        let bundle = try copyBundle(
            World.tinyBundle, to: folder.file("bundle"), replacing: weights, with: String(repeating: "0", count: 64))
        let other = try await World.open(bundle)
        await expectFails(LikenessError.wrongModel, "open that model") {
            try await other.resumeSession(journal: journal)
        }
        let state = journal.appendingPathComponent("state.safetensors")
        let whole = try Data(contentsOf: state)
        try whole.prefix(whole.count / 2).write(to: state)
        await expectFails(LikenessError.corruptFile) { try await engine.resumeSession(journal: journal) }
        try whole.write(to: state)
        #expect(try await engine.resumeSession(journal: journal).plan.stepsDone == 6)
        await expectFails(LikenessError.invalidArgument) {
            try await engine.resumeSession(journal: folder.file("none"))
        }
        await expectFails(LikenessError.storage, "cannot make") {
            try await engine.newSession(journal: state.appendingPathComponent("below-a-file"))
        }
    }

    @Test("pictures whose bytes do not fit their size")
    func badPictures() async throws {
        for (width, height, bytes) in [(2, 2, 11), (0, 2, 0), (-2, -2, 12), (1 << 16, 1 << 16, 0), (1 << 40, 1, 0)] {
            await expectFails(LikenessError.invalidArgument, "\(width) x \(height)") {
                try Picture(width: width, height: height, rgb: [UInt8](repeating: 0, count: bytes))
            }
        }
    }

    private func open(_ bundle: URL) async throws -> Engine {
        try await Engine.open(bundle, options: EngineOptions(threads: 1))
    }
}
