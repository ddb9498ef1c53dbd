import Foundation
import Observation

/// A prompt, with the subjects it names, and what was painted last. Painting goes on while other screens show.
@MainActor @Observable
final class PaintViewModel {
    /// Short enough to be read aloud and typed again.
    private static let mostSeed: UInt64 = 1_000_000

    @ObservationIgnored private let subjects: SubjectStore
    @ObservationIgnored private let pictures: PictureStore
    @ObservationIgnored private let painter: Painter
    @ObservationIgnored private let worker: TrainingWorker
    @ObservationIgnored private let drawSeed: (Range<UInt64>) -> UInt64
    @ObservationIgnored private var painting: Task<Void, Never>?
    /// Settings were chosen: the model's recommended ones, which come later, stay out.
    @ObservationIgnored private var chosen = false
    /// Everything of the state that is not the subjects'.
    private var own = PaintUiState()

    init(
        subjects: SubjectStore, pictures: PictureStore, painter: Painter, worker: TrainingWorker,
        drawSeed: @escaping (Range<UInt64>) -> UInt64 = { .random(in: $0) }
    ) {
        self.subjects = subjects
        self.pictures = pictures
        self.painter = painter
        self.worker = worker
        self.drawSeed = drawSeed
    }

    var state: PaintUiState {
        var state = own
        state.subjects = subjects.subjects.filter { $0.state == .ready }
        state.used = App.subjects(in: own.settings.prompt, of: state.subjects)
        state.painted = own.painted.filter { pictures.find($0.id) != nil }
        return state
    }

    /// Asks the model what its makers recommend; once it is open.
    func prepare() async {
        do {
            let (sampling, mostSubjects) = try await painter.defaults()
            own.mostSubjects = mostSubjects
            guard !chosen else { return }
            own.settings.negativePrompt = sampling.negativePrompt
            own.settings.steps = PaintUiState.steps.clamp(sampling.steps)
            own.settings.guidance = sampling.guidanceScale
        } catch {
            own.problem = Problem(error)
        }
    }

    /// Begins a prompt for the subject `id`, unless the prompt names it already.
    func begin(with id: ItemID) {
        guard let subject = subjects.find(id), !state.used.contains(subject) else { return }
        own.settings.prompt = "a photo of a \(subject.words)"
    }

    /// The settings that `picture` was painted with; with them it is painted again, or changed.
    func begin(with picture: KeptPicture) {
        chosen = true
        own.settings = PaintSettings(
            prompt: picture.prompt, negativePrompt: picture.negativePrompt, seed: picture.seed,
            steps: PaintUiState.steps.clamp(picture.steps), guidance: PaintUiState.guidances.clamp(picture.guidance),
            count: PaintUiState.counts.clamp(picture.index + 1))
        own.newSeedEachTime = false
        own.painted = []
    }

    func setPrompt(_ prompt: String) { own.settings.prompt = prompt }

    /// Puts the words of `subject` into the prompt behind its first `position` characters, at its end where that is
    /// nil; returns the position behind them.
    @discardableResult
    func insert(_ subject: Subject, at position: Int? = nil) -> Int {
        let prompt = own.settings.prompt
        let inserted = App.insert(subject.words, into: prompt, at: position ?? prompt.count)
        own.settings.prompt = inserted.prompt
        return inserted.position
    }

    func setNegativePrompt(_ text: String) {
        choose { $0.negativePrompt = text }
    }

    /// `text` as typed; what is no number is seed 0. A seed that is typed is meant to stay.
    func setSeed(_ text: String) {
        own.settings.seed = UInt64(text.filter { ("0"..."9").contains($0) }) ?? 0
        own.newSeedEachTime = false
    }

    func setNewSeedEachTime(_ each: Bool) { own.newSeedEachTime = each }

    func setSteps(_ steps: Int) {
        choose { $0.steps = PaintUiState.steps.clamp(steps) }
    }

    func setGuidance(_ guidance: Double) {
        choose { $0.guidance = PaintUiState.guidances.clamp(guidance) }
    }

    func setCount(_ count: Int) { own.settings.count = PaintUiState.counts.clamp(count) }

    func paint() {
        guard state.canPaint else { return }
        if own.newSeedEachTime { own.settings.seed = drawSeed(0..<Self.mostSeed) }
        own.progress = PaintProgress()
        own.problem = nil
        let (settings, used) = (own.settings, state.used)
        painting = Task { await paint(settings, used) }
    }

    func cancel() { painting?.cancel() }

    func dismissProblem() { own.problem = nil }

    private func paint(_ settings: PaintSettings, _ used: [Subject]) async {
        do {
            own.painted = try await worker.whilePainting {
                try await painter.paint(settings, used) { own.progress = $0 }
            }
        } catch {
            // What a person cancels is no problem, whatever it ended with.
            if !Task.isCancelled { own.problem = Problem(error) }
        }
        own.progress = nil
    }

    /// A view that only shows what is chosen already chooses nothing.
    private func choose(_ change: (inout PaintSettings) -> Void) {
        var settings = own.settings
        change(&settings)
        guard settings != own.settings else { return }
        chosen = true
        own.settings = settings
    }
}

extension ClosedRange {
    /// The bound's value nearest to `value`.
    func clamp(_ value: Bound) -> Bound {
        Swift.min(Swift.max(value, lowerBound), upperBound)
    }
}
