import Foundation
import Testing

@testable import App

@MainActor
struct SubjectStoreTests {
    private let world = World()

    /// What another process over the same folder sees.
    private func reopened() async -> World {
        let next = World(world.folder)
        await next.graph.ready()
        return next
    }

    @Test func subjectsSurviveTheProcess() async throws {
        let older = try await world.newSubject("Minka", createdAt: 1)
        let newer = try await world.newSubject("Rex", createdAt: 2)
        #expect(await reopened().subjects.subjects == [newer, older])
    }

    @Test func aDraftBecomesASubjectInOneStep() async throws {
        let subject = try await world.newSubject(photos: 2)
        #expect(world.graph.drafts.read() == Draft())
        #expect(photoFiles(world.subjects.files(subject.id)).count == 2)
    }

    @Test func aDraftWithoutPhotosBecomesNone() async throws {
        try world.graph.drafts.setNames("Minka", "cat")
        #expect(throws: StorageError.self) { try world.graph.drafts.prepared() }
        #expect(world.graph.drafts.read().name == "Minka")
    }

    @Test func aDraftSurvivesTheProcess() async throws {
        let drafts = world.graph.drafts
        try drafts.setNames("Minka", "cat")
        for _ in 0..<3 { try drafts.addPhoto(plainPicture(1, side: 32)) }
        try drafts.removePhoto(1)
        let other = await reopened().graph.drafts
        #expect(other.read() == Draft(name: "Minka", className: "cat", photos: [0, 2]))
        try other.addPhoto(plainPicture(1, side: 32))
        #expect(other.read().photos == [0, 2, 3])
    }

    @Test func whatIsLearnedLosesPhotosAndJournal() async throws {
        let subject = try await world.newSubject()
        let files = world.subjects.files(subject.id)
        try world.graph.disk.write(files.journal.appending(path: "state"), Data("x".utf8))
        try await world.subjects.note(ResumeRecord(step: 3), of: subject.id)
        await #expect(throws: StorageError.self) { try await world.subjects.markReady(subject.id) }
        try Data("adapter".utf8).write(to: files.adapter)
        try await world.subjects.markReady(subject.id)
        #expect(filesUnder(files.folder) == ["subject.json", "adapter.safetensors"])
        #expect(world.subjects.find(subject.id)?.state == .ready)
    }

    @Test func deletionLeavesNoTrace() async throws {
        let kept = try await world.readySubject("Rex")
        let deleted = try await world.newSubject()
        let files = world.subjects.files(deleted.id)
        let disk = world.graph.disk
        try disk.write(files.journal.appending(path: "state"), Data("x".utf8))
        try disk.write(files.preview, Data("x".utf8))
        try disk.write(files.adapter, Data("x".utf8))
        _ = try world.graph.outgoing.lend(files.adapter, as: "Minka.safetensors", owner: deleted.id)
        let merged = [kept.id, deleted.id].map(\.text).sorted().joined(separator: "-") + ".safetensors"
        try disk.write(world.layout.merged.appending(path: merged), Data("x".utf8))
        try await world.subjects.delete(deleted.id)
        #expect(
            world.folder.files
                == Set(["subject.json", "adapter.safetensors"].map { "subjects/\(kept.id.text)/\($0)" }))
        #expect(world.subjects.subjects == [kept])
    }

    @Test func aKillInTheMiddleOfADeletionLeavesNoSubject() async throws {
        let subject = try await world.newSubject()
        let folder = world.subjects.files(subject.id).folder
        // What the first of a deletion's two steps does.
        try world.graph.disk.makeFolder(world.layout.trash)
        try world.graph.disk.rename(folder, to: world.layout.trash.appending(path: ItemID().text))
        let next = await reopened()
        #expect(next.subjects.subjects == [])
        #expect(world.folder.files == [])
    }

    @Test func damagedSubjectsAreShownAndCanBeDeleted() async throws {
        let damages: [(SubjectFiles) throws -> Void] = [
            { try FileManager.default.removeItem(at: $0.note) },
            { try Data("{\"name\":\"x\"}".utf8).write(to: $0.note) },
            { files in
                let text = try String(contentsOf: files.note, encoding: .utf8)
                try Data(text.replacing("ready", with: "perhaps").utf8).write(to: files.note)
            },
            { try FileManager.default.removeItem(at: $0.adapter) },
        ]
        for damage in damages {
            let subject = try await world.readySubject()
            try damage(world.subjects.files(subject.id))
            await world.subjects.load()
            #expect(world.subjects.find(subject.id)?.state == .damaged)
            try await world.subjects.delete(subject.id)
            #expect(world.subjects.find(subject.id) == nil)
        }
    }

    @Test func strangeFoldersAreNoSubjects() async throws {
        for name in ["..evil", "0123", "subject"] {
            try world.graph.disk.makeFolder(world.layout.subjects.appending(path: name))
        }
        await world.subjects.load()
        #expect(world.subjects.subjects == [])
    }

    @Test func resumeRecordsSayWhoGoesOn() async throws {
        let cases = [
            (ResumeRecord(step: 5, steps: 9), true), (ResumeRecord(held: true), false),
            (ResumeRecord(problem: .diverged), false),
            (ResumeRecord(attempts: ResumeRecord.mostAttempts - 1), true),
            (ResumeRecord(attempts: ResumeRecord.mostAttempts), false),
        ]
        let subject = try await world.newSubject()
        for (record, goesOn) in cases {
            try await world.subjects.note(record, of: subject.id)
            let stored = await reopened().subjects.find(subject.id)?.resume
            #expect(stored == record)
            #expect(stored?.goesOnByItself == goesOn, "\(record)")
        }
        let stuck = ResumeRecord(held: true, attempts: 7, step: 4, problem: .busy)
        #expect(stuck.released == ResumeRecord(step: 4))
    }

    @Test func nothingIsNotedOfADeletedSubject() async throws {
        let subject = try await world.newSubject()
        try await world.subjects.delete(subject.id)
        await #expect(throws: StorageError.self) { try await world.subjects.note(ResumeRecord(), of: subject.id) }
        #expect(world.folder.files == [])
    }

    @Test func ofTwoListingsTheNewerIsShown() async throws {
        let shelf = Shelf<Int>(list: { [1] })
        let first = shelf.change {}
        let second = shelf.change {}
        #expect(first.number < second.number)
    }
}
