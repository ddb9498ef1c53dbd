package app.likeness.training

import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.LikenessException
import app.likeness.runtime.Personalization
import app.likeness.runtime.Phase
import app.likeness.runtime.Picture
import app.likeness.runtime.Studio
import app.likeness.runtime.TrainEvent
import app.likeness.runtime.UnsupportedVersionException
import app.likeness.runtime.WrongModelException
import app.likeness.storage.Disk
import app.likeness.storage.PhotoFile
import app.likeness.storage.Png
import app.likeness.storage.ResumeRecord
import app.likeness.storage.Subject
import app.likeness.storage.SubjectStore
import app.likeness.storage.photoFiles

/**
 * A subject's files on the way from photos to an adapter. Functions block; none is for the main thread.
 *
 * Kill-safe in every order: the journal holds what the photos gave before they are deleted, and the adapter is whole
 * before the journal is.
 */
internal class TeachingRun(private val subjects: SubjectStore, private val disk: Disk, private val subject: Subject) {
    private val files = subjects.files(subject.id)
    private var record = ResumeRecord.read(files.resume)
    private var photosAreThere = photoFiles(files).isNotEmpty()

    /** Counts the attempt, then goes on with the journal, or begins with the photos where there is no usable one. */
    fun open(studio: Studio): Personalization {
        note(record.copy(attempts = record.attempts + 1, held = false, problem = ""))
        val resumed = if (files.journal.isDirectory) resume(studio) else null
        return resumed ?: create(studio)
    }

    /** Keeps what [event] brought that must outlive the process. */
    fun keep(event: TrainEvent) = when (event) {
        is TrainEvent.Progress -> keepProgress(event)
        is TrainEvent.Preview -> keepPreview(event.picture)
    }

    fun finish(session: Personalization) {
        session.saveAdapter(files.adapter)
        subjects.markReady(subject.id)
    }

    /** It waits for a person, or goes on by itself: an orderly end is no attempt that failed. */
    fun suspend(held: Boolean, step: Long, steps: Long) =
        note(record.copy(attempts = 0, held = held, step = step, steps = steps))

    fun fail(problem: String) = note(record.copy(problem = problem))

    private fun resume(studio: Studio): Personalization? = try {
        studio.resumeSession(files.journal)
    } catch (error: LikenessException) {
        if (!isUnusable(error) || !photosAreThere) throw error
        subjects.deleteJournal(subject.id)
        null
    }

    private fun isUnusable(error: LikenessException) = error is InvalidArgumentException ||
        error is CorruptFileException || error is WrongModelException || error is UnsupportedVersionException

    private fun create(studio: Studio): Personalization {
        val settings = studio.trainSettings(subject.className, subject.tokens.first())
        val session = studio.createSession(settings, files.journal)
        try {
            photoFiles(files).forEach { session.addPhoto(PhotoFile.read(it)) }
        } catch (error: Exception) {
            session.close()
            throw error
        }
        return session
    }

    private fun keepProgress(progress: TrainEvent.Progress) {
        if (progress.phase != Phase.TRAINING) return
        if (photosAreThere) {
            subjects.deletePhotos(subject.id)
            photosAreThere = false
        }
        if (record.attempts > 0) note(record.copy(attempts = 0, step = progress.step, steps = progress.steps))
    }

    private fun keepPreview(picture: Picture) = disk.write(files.preview, Png.encode(picture))

    private fun note(next: ResumeRecord) {
        next.write(disk, files.resume)
        record = next
    }
}
