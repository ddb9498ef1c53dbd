package app.likeness.storage

import app.likeness.WorldTest
import app.likeness.fakes.plainPicture
import app.likeness.filesUnder
import java.io.File
import java.io.IOException
import java.util.Locale
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull

class SubjectStoreTest : WorldTest() {
    @Test
    fun subjectsSurviveTheProcess() {
        val older = world.newSubject("Minka", createdAt = 1)
        val newer = world.newSubject("Rex", createdAt = 2)
        assertEquals(listOf(newer, older), newWorld().subjects.subjects.value)
    }

    @Test
    fun aDraftBecomesASubjectInOneStep() {
        val subject = world.newSubject(photos = 2)
        assertEquals(Draft(), world.drafts.read())
        assertEquals(2, photoFiles(world.subjects.files(subject.id)).size)
    }

    @Test
    fun aDraftWithoutPhotosBecomesNone() {
        world.drafts.setNames("Minka", "cat")
        val subject = Subject(newId(), "Minka", "cat", listOf("<a>"), SubjectState.LEARNING, 1)
        assertFailsWith<IOException> { world.drafts.promote(world.subjects, subject) }
        assertEquals(emptyList(), world.subjects.subjects.value)
    }

    @Test
    fun photosAreNumberedAlikeInEveryLanguage() {
        val before = Locale.getDefault()
        Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"))
        try {
            repeat(2) { world.drafts.addPhoto(plainPicture(1, 32)) }
        } finally {
            Locale.setDefault(before)
        }
        assertEquals(listOf(0, 1), world.drafts.read().photos)
    }

    @Test
    fun aDraftSurvivesTheProcess() {
        world.drafts.setNames("Minka", "cat")
        repeat(3) { world.drafts.addPhoto(plainPicture(1, 32)) }
        world.drafts.removePhoto(1)
        val other = newWorld()
        assertEquals(Draft("Minka", "cat", listOf(0, 2)), other.drafts.read())
        other.drafts.addPhoto(plainPicture(1, 32))
        assertEquals(listOf(0, 2, 3), other.drafts.read().photos)
    }

    @Test
    fun whatIsLearnedLosesPhotosAndJournal() {
        val subject = world.newSubject()
        val files = world.subjects.files(subject.id)
        files.journal.mkdirs()
        ResumeRecord(step = 3).write(world.disk, files.resume)
        assertFailsWith<IOException> { world.subjects.markReady(subject.id) }
        files.adapter.writeText("adapter")
        world.subjects.markReady(subject.id)
        assertEquals(setOf("subject.properties", "adapter.safetensors"), filesUnder(files.folder))
        assertEquals(SubjectState.READY, world.subjects.find(subject.id)?.state)
    }

    @Test
    fun deletionLeavesNoTrace() {
        val kept = world.readySubject("Rex")
        val deleted = world.newSubject()
        val files = world.subjects.files(deleted.id)
        File(files.journal, "state").apply { parentFile.mkdirs() }.writeText("x")
        files.preview.writeText("x")
        File(world.layout.merged, "${listOf(kept.id, deleted.id).sorted().joinToString("-")}.safetensors")
            .apply { parentFile.mkdirs() }.writeText("x")
        world.subjects.delete(deleted.id)
        val left = filesUnder(root)
        assertEquals(setOf("subject.properties", "adapter.safetensors").map { "subjects/${kept.id}/$it" }.toSet(), left)
        assertEquals(listOf(kept), world.subjects.subjects.value)
    }

    @Test
    fun damagedSubjectsAreShownAndCanBeDeleted() {
        val damages = listOf<(SubjectFiles) -> Unit>(
            { it.properties.delete() },
            { it.properties.writeText("name=x") },
            { it.properties.writeText("name=a\nclass=b\ntokens=c\nstate=READY\ncreated=x") },
            { it.properties.writeText(it.properties.readText().replace("READY", "PERHAPS")) },
            { it.adapter.delete() },
        )
        damages.forEach { damage ->
            val subject = world.readySubject()
            damage(world.subjects.files(subject.id))
            world.subjects.load()
            assertEquals(SubjectState.DAMAGED, world.subjects.find(subject.id)?.state)
            world.subjects.delete(subject.id)
            assertNull(world.subjects.find(subject.id))
        }
    }

    @Test
    fun strangeFoldersAreNoSubjects() {
        listOf("..evil", "0123", "subject").forEach { File(world.layout.subjects, it).mkdirs() }
        world.subjects.load()
        assertEquals(emptyList(), world.subjects.subjects.value)
    }

    @Test
    fun resumeRecordsSayWhoGoesOn() {
        val file = File(root, "resume.properties")
        assertEquals(ResumeRecord(), ResumeRecord.read(file))
        val cases = mapOf(
            ResumeRecord(step = 5, steps = 9) to true,
            ResumeRecord(held = true) to false,
            ResumeRecord(problem = "DIVERGED") to false,
            ResumeRecord(attempts = ResumeRecord.MAX_ATTEMPTS - 1) to true,
            ResumeRecord(attempts = ResumeRecord.MAX_ATTEMPTS) to false,
        )
        cases.forEach { (record, goesOn) ->
            record.write(world.disk, file)
            assertEquals(record, ResumeRecord.read(file))
            assertEquals(goesOn, record.goesOnByItself, "$record")
        }
        ResumeRecord(held = true, attempts = 7, step = 4, problem = "BUSY").write(world.disk, file)
        ResumeRecord.release(world.disk, file)
        assertEquals(ResumeRecord(step = 4), ResumeRecord.read(file))
    }
}
