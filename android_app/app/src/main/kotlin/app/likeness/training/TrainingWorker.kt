package app.likeness.training

import app.likeness.bundle.StudioProvider
import app.likeness.conditions.ConditionsMonitor
import app.likeness.conditions.Pace
import app.likeness.problem.Problem
import app.likeness.problem.problemOf
import app.likeness.runtime.Personalization
import app.likeness.runtime.Phase
import app.likeness.runtime.TrainEvent
import app.likeness.runtime.WorkCancelledException
import app.likeness.storage.Disk
import app.likeness.storage.Measurements
import app.likeness.storage.ResumeRecord
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.storage.SubjectStore
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharedFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asSharedFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.IOException

/** What keeps the process alive while the worker works. */
enum class Keeper { SERVICE, JOB }

/**
 * Teaches subjects, one after the other; the one long-lived object of the process. It does not know Android: a
 * foreground service or a job keeps it alive and tells people about it.
 *
 * What it does is on the disk at any instant, so after a kill [resumePending] goes on. Functions are to be called on
 * the thread of [scope] and return at once.
 *
 * @param ready returns when [subjects] knows what is on the disk
 */
class TrainingWorker(
    private val studios: StudioProvider,
    private val subjects: SubjectStore,
    private val disk: Disk,
    private val measurements: Measurements,
    private val monitor: ConditionsMonitor,
    private val scope: CoroutineScope,
    private val io: CoroutineDispatcher,
    private val ready: suspend () -> Unit,
    pacing: Pacing = Pacing(),
    private val nanos: () -> Long = System::nanoTime,
) {
    private sealed interface Stop {
        data class Suspend(val cause: Cause) : Stop

        data object KeepSoFar : Stop

        data object Discard : Stop
    }

    private val current = MutableStateFlow(TrainingState())
    private val ended = MutableSharedFlow<Outcome>(extraBufferCapacity = 16)
    private val busy = MutableStateFlow(false)
    private val pace = PaceKeeper(monitor.conditions, pacing)
    private val keepers = mutableSetOf<Keeper>()
    private var session: Personalization? = null
    private var stop: Stop? = null
    private val released = mutableSetOf<String>()

    /** Subjects that are being deleted, or will be when they are no longer taught. */
    private val discarded = mutableSetOf<String>()

    /** The subject whose files are in use. */
    private var taught: String? = null
    private var wanted = false

    val state: StateFlow<TrainingState> = current.asStateFlow()

    /** Runs that ended, as they end. */
    val outcomes: SharedFlow<Outcome> = ended.asSharedFlow()

    /** A keeper is needed. */
    val working: StateFlow<Boolean> = busy.asStateFlow()

    /** A person wants [id] to be taught, or taught on: now, or after the one that is being taught. */
    fun start(id: String) {
        if (isRunning(id)) return pace.hold(false)
        released += id
        resumePending()
    }

    /** Goes on with what an earlier process or keeper left unfinished, if anything. */
    fun resumePending() {
        // A run that is going needs no second look: it would go on with what its last keeper's going had it suspend.
        if (!busy.value || stop != null || released.isNotEmpty()) wanted = true
        if (!busy.value) scope.launch { workOff() }
        busy.value = true
    }

    /** A subject waits to be taught on, without a person's help. Blocks; for any thread. */
    fun hasPending(): Boolean = nextPending() != null

    /** By the person: waits. What it learned so far is safe. */
    fun pause() = pace.hold(true)

    /** Ends here; what was learned so far becomes the adapter. Only in [Stage.TRAINING] is there anything to keep. */
    fun keepSoFar() {
        if (current.value.stage == Stage.TRAINING) end(Stop.KeepSoFar)
    }

    /** Ends, and deletes all traces of, the subject [id]. Failures are told in [outcomes]. */
    fun discard(id: String) {
        discarded += id
        if (taught == id) end(Stop.Discard) else scope.launch { delete(id) }
    }

    /** While [keeper] is there the process may compute. */
    fun attach(keeper: Keeper) {
        keepers += keeper
    }

    /** The last keeper to go, for [cause], ends the work after a checkpoint. */
    fun detach(keeper: Keeper, cause: Cause) {
        if (keepers.remove(keeper) && keepers.isEmpty() && busy.value) end(Stop.Suspend(cause))
    }

    /** Training waits while [block] paints. */
    suspend fun <T> whilePainting(block: suspend () -> T): T = pace.whilePainting(block)

    private fun isRunning(id: String) = busy.value && current.value.subjectId == id && stop == null

    private fun end(how: Stop) {
        if (stop != Stop.Discard) stop = how
        current.update { it.copy(stage = Stage.STOPPING) }
        session?.cancel()
    }

    private suspend fun workOff() {
        ready()
        while (wanted) {
            wanted = false
            releaseAsked()
            val subject = withContext(io) { nextPending() } ?: continue
            if (teach(subject)) wanted = true
        }
        busy.value = false
    }

    /** What stood in the way of subjects that a person wants to go on does so no longer. */
    private suspend fun releaseAsked() {
        val asked = released.toList()
        released.clear()
        asked.filter { subjects.find(it)?.state == SubjectState.LEARNING }.forEach { id ->
            try {
                withContext(io) { ResumeRecord.release(disk, subjects.files(id).resume) }
            } catch (error: IOException) {
                current.value = TrainingState(id, Stage.FAILED, problem = problemOf(error))
            }
        }
    }

    private fun nextPending(): Subject? = subjects.subjects.value
        .filter { it.state == SubjectState.LEARNING }
        .sortedBy(Subject::createdAt)
        .firstOrNull { ResumeRecord.read(subjects.files(it.id).resume).goesOnByItself }

    /** Returns whether the next subject may follow. */
    private suspend fun teach(subject: Subject): Boolean {
        stop = null
        if (subject.id in discarded) return true
        taught = subject.id
        pace.hold(false)
        current.value = TrainingState(subject.id, Stage.OPENING)
        val run = TeachingRun(subjects, disk, subject)
        val mayFollow = try {
            attempt(subject, run)
            stop !is Stop.Suspend
        } catch (error: CancellationException) {
            throw error
        } catch (error: Throwable) {
            fail(subject, run, error)
        }
        taught = null
        if (stop == Stop.Discard) delete(subject.id)
        return mayFollow
    }

    private suspend fun attempt(subject: Subject, run: TeachingRun) {
        val studio = studios.get()
        val opened = withContext(io) { run.open(studio) }
        try {
            session = opened
            if (stop != null) opened.cancel()
            val completed = follow(opened, run)
            val how = if (completed && stop is Stop.Suspend) null else stop
            conclude(subject, run, opened, if (completed) how else how ?: Stop.Suspend(Cause.SYSTEM))
        } finally {
            session = null
            withContext(NonCancellable + io) { opened.close() }
        }
    }

    /** Returns true where the last step was done, false where the session was cancelled. */
    private suspend fun follow(opened: Personalization, run: TeachingRun): Boolean = coroutineScope {
        val meter = RunMeter(nanos)
        val helpers = listOf(
            monitor.watch(this),
            launch { monitor.conditions.collect(meter::onConditions) },
            launch { pace.keep(opened, ::show) { end(Stop.Suspend(it)) } },
        )
        try {
            opened.run().collect { event ->
                withContext(io) { run.keep(event) }
                show(event, meter)
            }
            true
        } catch (_: WorkCancelledException) {
            false
        } finally {
            helpers.forEach(Job::cancel)
            withContext(NonCancellable + io) { recorded(meter) }
        }
    }

    /** What was measured only makes the next forecast better: storage that is full is no failure. */
    private fun recorded(meter: RunMeter) = try {
        meter.record(measurements)
    } catch (_: IOException) {
    }

    private suspend fun conclude(subject: Subject, run: TeachingRun, opened: Personalization, how: Stop?) {
        val last = current.value
        when (how) {
            null, Stop.KeepSoFar -> {
                withContext(io) { run.finish(opened) }
                settle(subject, Stage.DONE)
            }

            is Stop.Suspend -> {
                withContext(io) { run.suspend(how.cause == Cause.PERSON, last.step, last.steps) }
                settle(subject, Stage.SUSPENDED, how.cause)
            }

            Stop.Discard -> Unit
        }
    }

    /** Returns false where the storage does not even take a note that it failed: it would be begun again at once. */
    private suspend fun fail(subject: Subject, run: TeachingRun, error: Throwable): Boolean {
        if (stop == Stop.Discard) return true
        val problem = problemOf(error)
        settle(subject, Stage.FAILED, problem = problem)
        return try {
            withContext(io) { run.fail(problem.kind.name) }
            true
        } catch (_: IOException) {
            false
        }
    }

    private suspend fun delete(id: String) {
        try {
            withContext(io) { subjects.delete(id) }
            if (current.value.subjectId == id) current.value = TrainingState()
        } catch (error: IOException) {
            current.value = TrainingState(id, Stage.FAILED, problem = problemOf(error))
        } finally {
            discarded -= id
        }
    }

    private fun settle(subject: Subject, stage: Stage, cause: Cause? = null, problem: Problem? = null) {
        current.update { it.copy(stage = stage, waiting = false, cause = cause, problem = problem, secondsLeft = null) }
        ended.tryEmit(Outcome(subject.id, subject.name, stage, cause, problem))
    }

    private fun show(event: TrainEvent, meter: RunMeter) = when (event) {
        is TrainEvent.Progress -> {
            if (event.phase == Phase.TRAINING) meter.onStep(event.step, fullSpeed = current.value.cause == null)
            current.update { showing(it, event) }
        }

        is TrainEvent.Preview -> current.update { it.copy(preview = event.picture) }
    }

    private fun showing(state: TrainingState, event: TrainEvent.Progress) = state.copy(
        stage = when {
            stop != null -> Stage.STOPPING
            event.phase == Phase.ENCODING -> Stage.ENCODING
            else -> Stage.TRAINING
        },
        step = event.step,
        steps = event.steps,
        secondsLeft = event.secondsLeft,
    )

    private fun show(now: PaceNow) = current.update { it.copy(waiting = now.pace == Pace.PAUSE, cause = now.cause) }
}
