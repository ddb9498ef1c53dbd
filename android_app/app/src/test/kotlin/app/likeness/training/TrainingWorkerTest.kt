package app.likeness.training

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.conditions.Conditions
import app.likeness.conditions.Heat
import app.likeness.fakes.FakeStudio
import app.likeness.filesUnder
import app.likeness.problem.ProblemKind
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.DiskFullException
import app.likeness.runtime.NotFiniteException
import app.likeness.storage.ResumeRecord
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import kotlinx.coroutines.delay
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class TrainingWorkerTest : WorldTest() {
    /** Slow enough that a test can act in the middle. */
    private fun slowWorld(pacing: Pacing = Pacing(work = 5, rest = 5, longestHold = 60_000), folder: File = root) =
        newWorld(folder) { World(it, FakeStudio(stepMillis = 3, trainSteps = 200), pacing) }

    private suspend fun World.until(stage: Stage) = worker.state.await { it.stage == stage }

    private suspend fun World.untilStep(step: Long) =
        worker.state.await { it.stage == Stage.TRAINING && it.step >= step }

    private suspend fun World.untilIdle() = worker.working.await { !it }

    private fun World.record(subject: Subject) = ResumeRecord.read(subjects.files(subject.id).resume)

    @Test
    fun photosBecomeAnAdapterAndLeaveNothingElse() = world.run {
        val subject = newSubject()
        worker.start(subject.id)
        until(Stage.DONE)
        untilIdle()
        val left = setOf("subject.properties", "adapter.safetensors", "preview.png")
        assertEquals(left, filesUnder(subjects.files(subject.id).folder))
        assertEquals(SubjectState.READY, subjects.find(subject.id)?.state)
        assertEquals(3, fake.sessions.single().photos.size)
        assertTrue(fake.sessions.single().closed)
        assertNotNull(worker.state.value.preview)
        assertTrue(measurements.read().secondsPerStep!! > 0)
    }

    @Test
    fun photosAreDeletedAsSoonAsTheyAreEncoded() = slowWorld().run {
        val subject = newSubject()
        worker.start(subject.id)
        until(Stage.ENCODING)
        assertTrue(subjects.files(subject.id).photos.exists())
        untilStep(1)
        worker.state.await { it.step > 2 }
        assertFalse(subjects.files(subject.id).photos.exists())
    }

    @Test
    fun aKillAtAnyTimeIsSurvived() {
        val running = slowWorld()
        lateinit var subject: Subject
        val instants = mutableListOf<File>()
        running.run {
            subject = newSubject()
            instants += snapshot()
            worker.start(subject.id)
            until(Stage.ENCODING)
            instants += snapshot()
            untilStep(1)
            instants += snapshot()
            untilStep(60)
            instants += snapshot()
            untilStep(150)
            instants += snapshot()
        }
        running.close()
        val resumedAt = instants.map { folder ->
            val next = newWorld(folder) { World(it, FakeStudio(stepMillis = 0, trainSteps = 200)) }
            next.run {
                assertTrue(worker.hasPending())
                worker.resumePending()
                until(Stage.DONE)
            }
            assertEquals(SubjectState.READY, next.subjects.find(subject.id)?.state)
            next.fake.sessions.last().resumedAt
        }
        assertEquals(listOf(0L, 0L), resumedAt.take(2))
        assertTrue(resumedAt[3] in 50..60 && resumedAt[4] in 140..150, "$resumedAt")
    }

    @Test
    fun aRunThatEndsTheProcessIsNotBegunForEver() {
        lateinit var subject: Subject
        newWorld().run { subject = newSubject() }
        var folder = root
        repeat(ResumeRecord.MAX_ATTEMPTS) {
            val process = slowWorld(folder = folder)
            folder = process.getting {
                assertTrue(worker.hasPending())
                worker.resumePending()
                until(Stage.ENCODING)
                snapshot(process.root)
            }
            process.close()
        }
        newWorld(folder).run {
            assertFalse(worker.hasPending())
            worker.start(subject.id)
            until(Stage.DONE)
        }
    }

    @Test
    fun pausingWaitsAndGoingOnGoesOn() = slowWorld().run {
        val subject = newSubject()
        worker.start(subject.id)
        untilStep(5)
        worker.pause()
        worker.state.await { it.waiting && it.cause == Cause.PERSON }
        delay(20)
        val step = worker.state.value.step
        delay(50)
        assertEquals(step, worker.state.value.step)
        worker.start(subject.id)
        worker.state.await { it.step > step && !it.waiting && it.cause == null }
        assertEquals(1, fake.sessions.size)
    }

    @Test
    fun aLongPauseFreesTheMemoryAndWaitsForThePerson() = slowWorld(Pacing(longestHold = 20)).run {
        val subject = newSubject()
        worker.start(subject.id)
        untilStep(5)
        worker.pause()
        assertEquals(Cause.PERSON, until(Stage.SUSPENDED).cause)
        untilIdle()
        assertTrue(fake.sessions.single().closed)
        assertTrue(record(subject).held)
        assertFalse(worker.hasPending())
        worker.start(subject.id)
        untilStep(6)
    }

    @Test
    fun aHotPhoneWaitsUntilItIsCooler() = slowWorld().run {
        worker.start(newSubject().id)
        untilStep(5)
        phone = Conditions(heat = Heat.SEVERE)
        worker.state.await { it.waiting && it.cause == Cause.HOT }
        phone = Conditions()
        worker.state.await { !it.waiting && it.cause == null }
        until(Stage.DONE)
    }

    @Test
    fun aPhoneThatStaysHotIsLeftAloneAndTriedAgainLater() = slowWorld(Pacing(longestHold = 20)).run {
        worker.start(newSubject().id)
        untilStep(5)
        phone = Conditions(heat = Heat.SEVERE)
        assertEquals(Cause.HOT, until(Stage.SUSPENDED).cause)
        untilIdle()
        assertTrue(worker.hasPending())
    }

    @Test
    fun aSlowRunRestsInTurns() = slowWorld().run {
        worker.start(newSubject().id)
        untilStep(5)
        phone = Conditions(batterySaver = true)
        worker.state.await { it.cause == Cause.BATTERY_SAVER }
        assertFalse(worker.state.value.waiting)
        val pauses = fake.sessions.single().pauses
        until(Stage.DONE)
        assertTrue(fake.sessions.single().pauses > pauses + 2)
    }

    @Test
    fun trainingWaitsWhileAPictureIsPainted() = slowWorld().run {
        worker.start(newSubject().id)
        untilStep(5)
        worker.whilePainting {
            worker.state.await { it.waiting && it.cause == Cause.PAINTING }
            assertTrue(fake.sessions.single().paused)
        }
        worker.state.await { !it.waiting }
    }

    @Test
    fun theLastKeeperToGoEndsTheWorkAfterACheckpoint() = slowWorld().run {
        val subject = newSubject()
        worker.attach(Keeper.SERVICE)
        worker.attach(Keeper.JOB)
        worker.start(subject.id)
        untilStep(5)
        worker.detach(Keeper.JOB, Cause.SYSTEM)
        worker.detach(Keeper.JOB, Cause.SYSTEM)
        untilStep(10)
        worker.resumePending() // as every visit and every job does
        worker.detach(Keeper.SERVICE, Cause.TIME_LIMIT)
        assertEquals(Cause.TIME_LIMIT, until(Stage.SUSPENDED).cause)
        untilIdle()
        assertEquals(1, fake.sessions.size)
        assertTrue(worker.hasPending())
        assertTrue(record(subject).step >= 10)
        worker.resumePending()
        until(Stage.DONE)
        assertTrue(fake.sessions.last().resumedAt >= 10)
    }

    @Test
    fun whatWasLearnedSoFarCanBeKept() = slowWorld().run {
        val subject = newSubject()
        worker.start(subject.id)
        untilStep(5)
        worker.keepSoFar()
        val done = until(Stage.DONE)
        assertTrue(done.step < 200)
        assertEquals(SubjectState.READY, subjects.find(subject.id)?.state)
    }

    @Test
    fun throwingAwayWhatIsStoppingLeavesNoTraceEither() = slowWorld().run {
        val subject = newSubject()
        worker.attach(Keeper.SERVICE)
        worker.start(subject.id)
        untilStep(5)
        worker.detach(Keeper.SERVICE, Cause.TIME_LIMIT)
        worker.discard(subject.id)
        worker.keepSoFar()
        untilIdle()
        assertNull(subjects.find(subject.id))
        assertEquals(emptySet(), filesUnder(layout.subjects))
    }

    @Test
    fun suspensionsAreNoAttemptsThatFailed() = slowWorld().run {
        val subject = newSubject()
        repeat(ResumeRecord.MAX_ATTEMPTS + 1) {
            assertTrue(worker.hasPending())
            worker.attach(Keeper.JOB)
            worker.resumePending()
            until(Stage.ENCODING)
            worker.detach(Keeper.JOB, Cause.SYSTEM)
            until(Stage.SUSPENDED)
            untilIdle()
        }
        assertEquals(0, record(subject).attempts)
    }

    @Test
    fun throwingAwayLeavesNoTrace() = slowWorld().run {
        val subject = newSubject()
        worker.start(subject.id)
        untilStep(5)
        worker.discard(subject.id)
        untilIdle()
        assertNull(subjects.find(subject.id))
        assertEquals(
            setOf("bundle", "measurements.properties"),
            root.walk().filter { it.isFile }
                .map { it.toRelativeString(root).substringBefore('/') }.toSet(),
        )
        assertEquals(Stage.IDLE, worker.state.value.stage)
    }

    @Test
    fun throwingAwayWhilePausedWorksToo() = slowWorld().run {
        val subject = newSubject()
        worker.start(subject.id)
        untilStep(5)
        worker.pause()
        worker.state.await { it.waiting }
        worker.discard(subject.id)
        untilIdle()
        assertNull(subjects.find(subject.id))
    }

    @Test
    fun oneAfterTheOther() = world.run {
        val first = newSubject("Minka", createdAt = 1)
        val second = newSubject("Rex", createdAt = 2)
        worker.start(second.id)
        worker.start(first.id)
        subjects.subjects.await { all -> all.all { it.state == SubjectState.READY } }
        untilIdle()
        assertEquals(2, fake.sessions.size)
    }

    @Test
    fun aFailureIsShownAndWaitsForThePerson() = world.run {
        val subject = newSubject()
        fake.failAtStep = 7L to NotFiniteException("training diverged")
        worker.start(subject.id)
        assertEquals(ProblemKind.DIVERGED, until(Stage.FAILED).problem?.kind)
        untilIdle()
        assertFalse(worker.hasPending())
        assertTrue(fake.sessions.single().closed)
        worker.start(subject.id)
        until(Stage.DONE)
        assertEquals(6, fake.sessions.last().resumedAt)
    }

    @Test
    fun aFullStorageIsAFailureThatCanBeGoneOnFrom() = world.run {
        val subject = newSubject()
        fake.failures["saveAdapter"] = DiskFullException("no space")
        worker.start(subject.id)
        assertEquals(ProblemKind.STORAGE_FULL, until(Stage.FAILED).problem?.kind)
        untilIdle()
        worker.start(subject.id)
        until(Stage.DONE)
    }

    @Test
    fun aDiskThatTakesNoNoteEither() = world.run {
        val subject = newSubject()
        studios.get()
        disk.room = 0
        worker.start(subject.id)
        assertEquals(ProblemKind.STORAGE_FULL, until(Stage.FAILED).problem?.kind)
        untilIdle()
        disk.room = Long.MAX_VALUE
        worker.start(subject.id)
        until(Stage.DONE)
    }

    @Test
    fun aModelThatDoesNotOpenIsAFailureOfTheSubject() = world.run {
        openFailure = DiskFullException("no space")
        val subject = newSubject()
        worker.start(subject.id)
        assertEquals(ProblemKind.STORAGE_FULL, until(Stage.FAILED).problem?.kind)
        untilIdle()
        worker.start(subject.id)
        until(Stage.DONE)
    }

    @Test
    fun anUnusableJournalIsBegunAnewWhileThePhotosAreThere() = world.run {
        val subject = newSubject()
        subjects.files(subject.id).journal.mkdirs()
        fake.failures["resumeSession"] = CorruptFileException("the journal is damaged")
        worker.start(subject.id)
        until(Stage.DONE)
    }

    @Test
    fun anUnusableJournalWithoutPhotosIsAFailure() {
        val killed = slowWorld().getting {
            worker.start(newSubject().id)
            untilStep(60)
            snapshot()
        }
        val next = newWorld(killed)
        next.fake.failures["resumeSession"] = CorruptFileException("the journal is damaged")
        next.run {
            worker.resumePending()
            assertEquals(ProblemKind.DAMAGED_FILE, until(Stage.FAILED).problem?.kind)
        }
    }

    @Test
    fun startingWhatWasDeletedDoesNothing() = world.run {
        val subject = newSubject()
        subjects.delete(subject.id)
        worker.start(subject.id)
        untilIdle()
        assertEquals(emptySet(), filesUnder(layout.subjects))
    }
}
