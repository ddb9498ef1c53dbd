import Foundation
import Likeness

// Sessions and pictures that take a moment.

extension Studio {
    public func quickSettings(_ change: (inout TrainSettings) -> Void = { _ in }) throws -> TrainSettings {
        var settings = try trainSettings(className: "dog", token: token)
        settings.steps = 6
        settings.views = 5
        settings.seed = 11
        settings.checkpointEvery = 2
        change(&settings)
        return settings
    }

    /// A session with two photos.
    public func newSession(journal: URL? = nil, settings: TrainSettings? = nil) async throws -> any Personalization {
        let session = try await createSession(settings ?? quickSettings(), journal: journal)
        for seed in 0..<2 { try await session.addPhoto(photo(seed: UInt64(seed))) }
        return session
    }

    /// What a session with these settings learns, as the bytes of its adapter file.
    public func learned(_ settings: TrainSettings) async throws -> Data {
        let session = try await newSession(settings: settings)
        try await session.finish()
        return try await session.adapterBytes()
    }

    /// An adapter file of a session with these settings.
    @discardableResult
    public func learn(_ file: URL, settings: TrainSettings? = nil) async throws -> URL {
        let session = try await newSession(settings: settings)
        try await session.finish()
        try await session.saveAdapter(file)
        try session.close()
        return file
    }

    public func quickSampling(
        _ prompt: String = "a photo of a dog", _ change: (inout SampleSettings) -> Void = { _ in }
    ) throws -> SampleSettings {
        var settings = try sampleSettings(prompt: prompt)
        settings.steps = 3
        settings.seed = 5
        change(&settings)
        return settings
    }

    public func paint(_ settings: SampleSettings, adapter: (any Adapter)? = nil) async throws -> [Picture] {
        var pictures: [Picture] = []
        for try await event in generate(settings, adapter: adapter) {
            if case .pictures(let all) = event { pictures = all }
        }
        return pictures
    }
}

extension Personalization {
    /// Runs to the end.
    @discardableResult
    public func finish() async throws -> [TrainEvent] {
        var events: [TrainEvent] = []
        for try await event in run() { events.append(event) }
        return events
    }

    public func adapterBytes() async throws -> Data {
        let folder = try TemporaryFolder()
        try await saveAdapter(folder.file("adapter"))
        return try Data(contentsOf: folder.file("adapter"))
    }
}

extension TrainEvent {
    /// The progress of training, nil for everything else.
    public var training: Progress? {
        if case .progress(let progress) = self, progress.phase == .training { progress } else { nil }
    }

    /// Whether it is from this step on: a busy reader may miss one.
    public func isStep(_ step: Int) -> Bool {
        training.map { $0.step >= step } ?? false
    }
}
