package app.likeness.runtime

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.Test
import java.io.File
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

/** Cancelling, pausing, closing and killing a session on its way. */
class InterruptionTest : RuntimeTest() {
    private val journal get() = File(folder, "journal")
    private val state get() = File(journal, "state.safetensors")

    private fun assertResumesToTheSameBytes() {
        engine.resumeSession(journal).use { session ->
            assertTrue(session.plan.stepsDone in 1 until long.steps, "at step ${session.plan.stepsDone}")
            session.finish()
            assertContentEquals(undisturbed, session.adapterBytes())
        }
    }

    @Test
    fun `cancel writes a checkpoint and is an error of the run`() {
        engine.newSession(journal, long).use { session ->
            val error =
                assertFailsWith<WorkCancelledException> {
                    runBlocking { session.run().collect { if (it.isStep(3)) session.cancel() } }
                }
            assertTrue("cancelled" in error.message!!)
            assertTrue(state.isFile)
        }
        assertResumesToTheSameBytes()
    }

    @Test
    fun `a cancelled session goes on when it is run again`() {
        engine.newSession(settings = long).use { session ->
            for (step in listOf(3L, 20L)) {
                var cancelled = false // once: events still come when the run has ended, and a cancel then is the next one's
                assertFailsWith<WorkCancelledException> {
                    runBlocking {
                        session.run().collect {
                            if (it.isStep(step) && !cancelled) {
                                cancelled = true
                                session.cancel()
                            }
                        }
                    }
                }
            }
            session.finish()
            assertContentEquals(undisturbed, session.adapterBytes())
        }
    }

    @Test
    fun `cancel before the run is not lost`() {
        engine.newSession().use { session ->
            session.cancel()
            assertFailsWith<WorkCancelledException> { session.finish() }
            session.finish()
        }
    }

    @Test
    fun `cancelling the collector ends when the checkpoint is written`() {
        engine.newSession(journal, long).use { session ->
            runBlocking {
                val training = CompletableDeferred<Unit>()
                val job =
                    launch(Dispatchers.Default) {
                        session.run().collect { if (it.isStep(3)) training.complete(Unit) }
                    }
                training.await()
                assertFalse(state.exists())
                job.cancelAndJoin()
            }
            assertTrue(state.isFile)
            assertTrue(session.plan.stepsDone >= 3) // would be refused while it runs
        }
        assertResumesToTheSameBytes()
    }

    @Test
    fun `cancelling the collector wakes a paused session`() {
        engine.newSession(journal, long).use { session ->
            runBlocking {
                val paused = CompletableDeferred<Unit>()
                val job =
                    launch(Dispatchers.Default) {
                        session.run().collect {
                            if (it.isStep(3)) {
                                session.pause()
                                paused.complete(Unit)
                            }
                        }
                    }
                paused.await()
                waitFor { state.isFile }
                job.cancelAndJoin()
            }
            session.unpause()
        }
        assertResumesToTheSameBytes()
    }

    @Test
    fun `a collector that has seen enough ends the run`() {
        engine.newSession(journal, long).use { session ->
            runBlocking { session.run().first { it.isStep(3) } }
            assertTrue(state.isFile)
            assertTrue(session.plan.stepsDone >= 3)
        }
        assertResumesToTheSameBytes()
    }

    @Test
    fun `an exception of the collector ends the run and is thrown`() {
        engine.newSession(journal, long).use { session ->
            val mine = ArithmeticException("mine")
            val thrown =
                assertFailsWith<ArithmeticException> {
                    runBlocking { session.run().collect { if (it.isStep(3)) throw mine } }
                }
            assertEquals("mine", thrown.message)
            assertTrue(session.plan.stepsDone >= 3)
        }
        assertResumesToTheSameBytes()
    }

    @Test
    fun `pause stops, unpause goes on, and nothing else may be done meanwhile`() {
        engine.newSession(journal, long.copy(steps = 100_000)).use { session ->
            runBlocking {
                val steps = AtomicInteger()
                val job =
                    launch(Dispatchers.Default) {
                        session.run().collect { if (it.isTraining()) steps.incrementAndGet() }
                    }
                waitFor { steps.get() > 5 }
                session.pause()
                waitFor { state.isFile } // written when it pauses, and not before
                delay(100)
                val atPause = steps.get()
                delay(300)
                assertEquals(atPause, steps.get())

                val refused =
                    listOf<() -> Unit>(
                        session::close,
                        { session.plan },
                        { session.saveAdapter(File(folder, "a")) },
                        { session.addPhoto(photo()) },
                        { session.finish() },
                    )
                for (call in refused) assertFailsWith<BusyException> { call() }

                session.unpause()
                waitFor { steps.get() > atPause }
                session.pause()
                job.cancelAndJoin() // also out of a pause
            }
        }
    }

    @Test
    fun `a session that is closed while it runs is not closed`() {
        engine.newSession(settings = long.copy(steps = 100_000)).use { session ->
            var tried = false // once: events still come when the run has ended, and closing succeeds then
            assertFailsWith<WorkCancelledException> {
                runBlocking {
                    session.run().collect {
                        if (it.isStep(3) && !tried) {
                            tried = true
                            assertFailsWith<BusyException> { session.close() }
                            session.cancel()
                        }
                    }
                }
            }
            assertTrue(session.plan.stepsDone >= 3)
        }
    }

    @Test
    fun `a second collector is refused and does not disturb the first`() {
        engine.newSession(settings = long).use { session ->
            runBlocking {
                var refusals = 0
                session.run().collect {
                    if (refusals == 0 && it.isTraining()) {
                        withContext(Dispatchers.Default) { assertFailsWith<BusyException> { session.run().toList() } }
                        refusals++
                    }
                }
                assertEquals(1, refusals)
            }
            assertContentEquals(undisturbed, session.adapterBytes())
        }
    }

    @Test
    fun `killed processes leave what another one resumes to the same bytes`() {
        var stepsDone = 0L
        for (killAt in listOf(50L, 150L, 250L)) {
            val child = startJvm("app.likeness.runtime.ChildSessionKt", journal.path, long.steps.toString())
            val output = child.inputStream.bufferedReader()
            val lines = generateSequence(output::readLine).takeWhile { (it.toLongOrNull() ?: 0) < killAt }.toList()
            child.destroyForcibly()
            assertTrue(child.waitFor(60, TimeUnit.SECONDS))
            assertEquals(SIGKILLED, child.exitValue(), lines.joinToString("\n"))
            engine.resumeSession(journal).use { session ->
                val checkpoint = session.plan.stepsDone
                assertTrue(checkpoint in maxOf(stepsDone, killAt - 2) until long.steps, "checkpoint $checkpoint")
                stepsDone = checkpoint
            }
        }
        engine.resumeSession(journal).use { session ->
            session.finish()
            assertContentEquals(learned(long.copy(checkpointEvery = 2)), session.adapterBytes())
        }
    }

    private suspend fun waitFor(condition: () -> Boolean) {
        while (!condition()) delay(5) // the test's timeout ends it
    }

    private fun TrainEvent.isTraining() = this is TrainEvent.Progress && phase == Phase.TRAINING

    private fun TrainEvent.step() = (this as TrainEvent.Progress).step

    /** From this step on: a busy collector may miss one. */
    private fun TrainEvent.isStep(step: Long) = isTraining() && step() >= step

    private companion object {
        const val SIGKILLED = 128 + 9

        val engine = World.engine

        /** Long enough to be interrupted; checkpoints only where it is. */
        val long = engine.quickSettings().copy(steps = 400, checkpointEvery = 10_000)

        val undisturbed by lazy { learned(long) }

        fun learned(settings: TrainSettings) = engine.newSession(settings = settings).use {
            it.finish()
            it.adapterBytes()
        }
    }
}
