import Likeness

/// Paints a prompt with the adapters of the subjects in it, and keeps the pictures.
@MainActor
final class Painter {
    private let studios: StudioProvider
    private let merged: MergedAdapters
    private let pictures: PictureStore
    private let now: () -> Int

    /// - Parameter now: milliseconds since 1970
    init(studios: StudioProvider, merged: MergedAdapters, pictures: PictureStore, now: @escaping () -> Int) {
        self.studios = studios
        self.merged = merged
        self.pictures = pictures
        self.now = now
    }

    /// What the model's makers recommend, and how many subjects it can tell apart.
    func defaults() async throws -> (sampling: SampleSettings, mostSubjects: Int) {
        let studio = try await studios.get()
        return (try studio.sampleSettings(prompt: ""), studio.info.maxModifierTokens)
    }

    /// Cancelling the task stops before the next call of the model; nothing is kept then. Throws what the core throws.
    func paint(
        _ settings: PaintSettings, _ subjects: [Subject], progress: (PaintProgress) -> Void
    ) async throws -> [KeptPicture] {
        let painted = try await paint(try await studios.get(), settings, subjects, progress)
        try Task.checkCancellation()
        let createdAt = now()
        let notes = painted.indices.map { note(settings, $0, subjects, createdAt) }
        for (note, picture) in zip(notes, painted) { try await pictures.keep(picture, note) }
        return notes
    }

    private func paint(
        _ studio: any Studio, _ settings: PaintSettings, _ subjects: [Subject], _ progress: (PaintProgress) -> Void
    ) async throws -> [Picture] {
        let adapter = try await adapter(studio, subjects)
        defer { adapter?.close() }
        var painted: [Picture] = []
        for try await event in studio.generate(try sampling(studio, settings), adapter: adapter) {
            switch event {
            case .progress(let now): progress(PaintProgress(done: now.done, total: now.total))
            case .pictures(let pictures): painted = pictures
            }
        }
        return painted
    }

    private func adapter(_ studio: any Studio, _ subjects: [Subject]) async throws -> (any Adapter)? {
        if subjects.isEmpty { return nil }
        return try await studio.loadAdapter(try await merged.file(for: subjects.map(\.id), studio))
    }

    private func sampling(_ studio: any Studio, _ settings: PaintSettings) throws -> SampleSettings {
        var sampling = try studio.sampleSettings(prompt: settings.prompt)
        sampling.negativePrompt = settings.negativePrompt
        sampling.seed = settings.seed
        sampling.steps = settings.steps
        sampling.count = settings.count
        sampling.guidanceScale = settings.guidance
        return sampling
    }

    private func note(_ settings: PaintSettings, _ index: Int, _ subjects: [Subject], _ createdAt: Int) -> KeptPicture {
        KeptPicture(
            id: ItemID(), prompt: settings.prompt, negativePrompt: settings.negativePrompt, seed: settings.seed,
            index: index, steps: settings.steps, guidance: settings.guidance, subjects: subjects.map(\.name),
            createdAt: createdAt)
    }
}
