import Foundation
import Likeness

/// A subject's files on the way from photos to an adapter.
///
/// Kill-safe in every order: the journal holds what the photos gave before they are deleted, and the adapter is whole
/// before the journal goes.
@MainActor
final class TeachingRun {
    private let subjects: SubjectStore
    private let disk: Disk
    private let subject: Subject
    private let files: SubjectFiles
    private var record: ResumeRecord
    private var photosAreThere = true
    private var reached: (step: Int, steps: Int)

    init(_ subject: Subject, _ subjects: SubjectStore, _ disk: Disk) {
        self.subject = subject
        self.subjects = subjects
        self.disk = disk
        files = subjects.files(subject.id)
        record = subject.resume
        reached = (record.step, record.steps)
    }

    /// Counts the attempt, then goes on with the journal, or begins with the photos where there is no usable one.
    func open(_ studio: any Studio) async throws -> any Personalization {
        var next = record
        next.attempts += 1
        next.held = false
        next.problem = nil
        try await note(next)
        photosAreThere = await offMain { [files] in !photoFiles(files).isEmpty }
        if await offMain({ [files] in exists(files.journal) }), let resumed = try await resume(studio) {
            return resumed
        }
        return try await create(studio)
    }

    /// Keeps what `event` brought that must outlive the process.
    func keep(_ event: TrainEvent) async throws {
        switch event {
        case .progress(let progress): try await keep(progress)
        case .preview(let preview): try await keep(preview.picture)
        }
    }

    func finish(_ session: any Personalization) async throws {
        try await session.saveAdapter(files.adapter)
        try await subjects.markReady(subject.id)
    }

    /// It waits for a person, or goes on by itself: an orderly end is no attempt that failed.
    func suspend(held: Bool) async throws {
        try await note(ResumeRecord(held: held, step: reached.step, steps: reached.steps))
    }

    func fail(_ problem: ProblemKind) async throws {
        var next = record
        next.problem = problem
        try await note(next)
    }

    private func resume(_ studio: any Studio) async throws -> (any Personalization)? {
        do {
            return try await studio.resumeSession(journal: files.journal)
        } catch let error as LikenessError where isUnusable(error) && photosAreThere {
            try await subjects.deleteJournal(subject.id)
            return nil
        }
    }

    /// The journal's fault, not the moment's.
    private func isUnusable(_ error: LikenessError) -> Bool {
        switch error {
        case .invalidArgument, .corruptFile, .wrongModel, .unsupportedVersion: true
        default: false
        }
    }

    private func create(_ studio: any Studio) async throws -> any Personalization {
        let settings = try studio.trainSettings(className: subject.className, token: subject.tokens.first ?? "")
        let session = try await studio.createSession(settings, journal: files.journal)
        do {
            for file in await offMain({ [files] in photoFiles(files) }) {
                try await session.addPhoto(try await offMain { try PhotoFile.read(file) })
            }
        } catch {
            try? session.close()
            throw error
        }
        return session
    }

    private func keep(_ progress: TrainEvent.Progress) async throws {
        guard progress.phase == .training else { return }
        reached = (progress.step, progress.steps)
        if photosAreThere {
            try await subjects.deletePhotos(subject.id)
            photosAreThere = false
        }
        if record.attempts > 0 {
            try await note(ResumeRecord(step: progress.step, steps: progress.steps))
        }
    }

    private func keep(_ preview: Picture) async throws {
        try await offMain { [disk, files] in try disk.write(files.preview, Png.encode(preview)) }
    }

    private func note(_ next: ResumeRecord) async throws {
        try await subjects.note(next, of: subject.id)
        record = next
    }
}
