import Likeness

/// Asks the core what teaching the draft will take, and this phone how fast it is.
@MainActor
final class Planner {
    private static let anyClass = "thing"
    private static let anyToken = "<my-thing>"
    private static let triedCalls = 3
    /// The core's benchmark: 35 ms a training step, 11 ms a call of the model.
    private static let stepPerCall = 3.2

    private let studios: StudioProvider
    private let drafts: DraftStore
    private let measurements: Measurements
    private let resources: @Sendable () -> PhoneResources
    private let clock = ContinuousClock()
    private var tried: Double?

    /// - Parameter resources: blocks
    init(
        studios: StudioProvider, drafts: DraftStore, measurements: Measurements,
        resources: @escaping @Sendable () -> PhoneResources
    ) {
        self.studios = studios
        self.drafts = drafts
        self.measurements = measurements
        self.resources = resources
    }

    func classes() async throws -> [String] {
        try await studios.get().info.classes
    }

    /// Throws what the core has against `photo`, before it is kept.
    func check(_ photo: Picture) async throws {
        let studio = try await studios.get()
        let settings = try studio.trainSettings(className: Self.anyClass, token: Self.anyToken)
        let session = try await studio.createSession(settings, journal: nil)
        defer { try? session.close() }
        try await session.addPhoto(photo)
    }

    /// The forecast for the draft's photos numbered `photos`. Throws what the core has against them.
    func forecast(_ className: String, _ photos: [Int]) async throws -> Forecast {
        let studio = try await studios.get()
        let plan = try await plan(studio, className, photos)
        let measured = await offMain { [measurements] in measurements.read() }
        let perStep: Double
        if let known = measured.secondsPerStep ?? tried {
            perStep = known
        } else {
            perStep = try await tryOut(studio)
            tried = perStep
        }
        return Forecast(plan, measured, triedSecondsPerStep: perStep, await offMain(resources))
    }

    private func plan(_ studio: any Studio, _ className: String, _ photos: [Int]) async throws -> Plan {
        let settings = try studio.trainSettings(className: className, token: Self.anyToken)
        let session = try await studio.createSession(settings, journal: nil)
        defer { try? session.close() }
        for number in photos {
            try await session.addPhoto(try await offMain { [drafts] in try drafts.readPhoto(number) })
        }
        return try await session.plan
    }

    /// Seconds of a training step, from the time of a few calls of the model; the first one loads its programs.
    private func tryOut(_ studio: any Studio) async throws -> Double {
        var settings = try studio.sampleSettings(prompt: "")
        settings.count = 1
        settings.guidanceScale = 1
        settings.steps = 1
        for try await _ in studio.generate(settings, adapter: nil) {}
        settings.steps = Self.triedCalls
        let started = clock.now
        for try await _ in studio.generate(settings, adapter: nil) {}
        return started.duration(to: clock.now).inSeconds / Double(Self.triedCalls) * Self.stepPerCall
    }
}
