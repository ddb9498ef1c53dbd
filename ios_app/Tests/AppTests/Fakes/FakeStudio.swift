import Foundation
import Likeness

@testable import App

/// A studio that keeps the rules of the real one without computing anything: streams are cold, cancelling takes effect
/// between steps, journals and adapters are files, and errors come on demand.
final class FakeStudio: Studio {
    enum Function: Hashable {
        case createSession, resumeSession, loadAdapter, mergeAdapters, generate, saveAdapter
    }

    struct State {
        /// What a step or a call of the model takes.
        var step: Duration
        /// Steps that are recommended.
        var trainSteps: Int
        /// Thrown by the next call of the function, once.
        var failures: [Function: LikenessError] = [:]
        /// Thrown by a session's run when it reaches the step, once.
        var failAtStep: (step: Int, error: LikenessError)?
        var sessions: [FakePersonalization] = []
        var generated: [SampleSettings] = []
        var trims = 0
        var openAdapters = 0
        /// Sessions wait behind this view, or this step, until they are cancelled, or ``FakeStudio/release()`` is
        /// called.
        var hold: (phase: TrainEvent.Phase, step: Int)?
        /// The process it stands for was killed: nothing goes on.
        var isKilled = false
    }

    static let imageSize = 8
    let now: Locked<State>
    let info = EngineInfo(
        modelName: "fake", imageSize: imageSize, adapterKinds: ["full"], classes: ["cat", "dog", "mug"],
        maxModifierTokens: 2, json: "{}")

    init(step: Duration = .milliseconds(1), trainSteps: Int = 20) {
        now = Locked(State(step: step, trainSteps: trainSteps))
    }

    var sessions: [FakePersonalization] { now.withLock { $0.sessions } }
    var generated: [SampleSettings] { now.withLock { $0.generated } }
    var openAdapters: Int { now.withLock { $0.openAdapters } }
    var trims: Int { now.withLock { $0.trims } }

    func failNext(_ function: Function, _ error: LikenessError) {
        now.withLock { $0.failures[function] = error }
    }

    func failAtStep(_ step: Int, _ error: LikenessError) {
        now.withLock { $0.failAtStep = (step, error) }
    }

    func hold(behind phase: TrainEvent.Phase, _ step: Int) {
        now.withLock { $0.hold = (phase, step) }
    }

    func release() {
        now.withLock { $0.hold = nil }
    }

    /// From now on a step takes no time.
    func hurry() {
        now.withLock { $0.step = .zero }
    }

    func trainSettings(className: String, token: String) -> TrainSettings {
        TrainSettings(
            className: className, token: token, adapterKind: "full", optimizer: "adamw", lrSchedule: "constant",
            previewPrompt: "", seed: 0, steps: now.withLock { $0.trainSteps }, warmupSteps: 0, views: 8,
            checkpointEvery: 5, previewEvery: 10, learningRate: 1e-3, modifierLearningRate: 1e-3, weightDecay: 0,
            maxGradNorm: 1, priorLossWeight: 1, priorTextWeight: 0, fineTimesteps: 0, hflip: true,
            sizeAugmentation: true, captionPlaces: false)
    }

    func sampleSettings(prompt: String) -> SampleSettings {
        SampleSettings(
            prompt: prompt, negativePrompt: "blurry", sampler: "ddim", seed: 0, steps: 10, count: 1, guidanceScale: 4)
    }

    func createSession(_ settings: TrainSettings, journal: URL?) async throws -> any Personalization {
        try fail(.createSession)
        if settings.className.isEmpty { throw LikenessError.invalidArgument("class_name is empty") }
        let journal = journal.map(FakeJournal.init)
        if journal?.read() != nil { throw LikenessError.invalidArgument("the folder holds a session") }
        return opened(FakePersonalization(self, settings, journal, nil))
    }

    func resumeSession(journal: URL) async throws -> any Personalization {
        try fail(.resumeSession)
        let journal = FakeJournal(folder: journal)
        guard let stored = journal.read() else { throw LikenessError.invalidArgument("there is nothing to resume") }
        let settings = trainSettings(className: stored.className, token: stored.token)
        return opened(FakePersonalization(self, settings, journal, stored))
    }

    func loadAdapter(_ file: URL) async throws -> any Adapter {
        try fail(.loadAdapter)
        guard let info = FakeAdapterFile.read(file) else {
            throw LikenessError.corruptFile("\(file.lastPathComponent) is no adapter")
        }
        now.withLock { $0.openAdapters += 1 }
        return FakeAdapter(info: info, studio: self)
    }

    func mergeAdapters(_ adapters: [any Adapter], into file: URL) async throws {
        try fail(.mergeAdapters)
        try FakeAdapterFile.bytes(adapters.flatMap(\.info.tokens), "").write(to: file)
    }

    func generate(_ settings: SampleSettings, adapter: (any Adapter)?) -> EventStream<GenerateEvent> {
        EventStream(isProgress: { if case .progress = $0 { true } else { false } }) { [self] emit in
            try fail(.generate)
            now.withLock { $0.generated.append(settings) }
            let total = settings.steps * settings.count
            for done in 1...total {
                try await Task.sleep(for: now.withLock { $0.step })
                emit(.progress(.init(done: done, total: total)))
            }
            emit(.pictures((0..<settings.count).map { plainPicture(Int(settings.seed) + $0) }))
        }
    }

    func trim() { now.withLock { $0.trims += 1 } }

    func close() {}

    func fail(_ function: Function) throws {
        if let failure = now.withLock({ $0.failures.removeValue(forKey: function) }) { throw failure }
    }

    private func opened(_ session: FakePersonalization) -> FakePersonalization {
        now.withLock { $0.sessions.append(session) }
        return session
    }
}

private final class FakeAdapter: Adapter {
    let info: AdapterInfo
    private let studio: FakeStudio

    init(info: AdapterInfo, studio: FakeStudio) {
        self.info = info
        self.studio = studio
    }

    func close() { studio.now.withLock { $0.openAdapters -= 1 } }
}
