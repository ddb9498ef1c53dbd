package app.likeness.runtime

/**
 * The functions of include/likeness.h, one for one, as src/main/cpp/jni.cpp registers them.
 *
 * Objects of the core are addresses; whoever calls answers for their being open (see [SharedHandle] and
 * [ExclusiveHandle]). Structures cross as argument lists in the order of the header's fields, texts as [toCore] makes
 * them. A status other than LK_OK is thrown as its [LikenessException].
 */
internal object Native {
    init {
        System.loadLibrary("likeness_jni")
    }

    @JvmStatic
    external fun engineOpen(folder: ByteArray, skipHashCheck: Boolean, threads: Int, memoryLimitBytes: Long): Long

    @JvmStatic
    external fun engineClose(engine: Long)

    @JvmStatic
    external fun engineInfo(engine: Long): ByteArray

    @JvmStatic
    external fun engineTrim(engine: Long)

    @JvmStatic
    external fun adapterLoad(engine: Long, path: ByteArray): Long

    @JvmStatic
    external fun adapterClose(adapter: Long)

    @JvmStatic
    external fun adapterInfo(adapter: Long): ByteArray

    @JvmStatic
    external fun adapterMerge(engine: Long, adapters: LongArray, path: ByteArray)

    @JvmStatic
    external fun trainSettingsDefault(engine: Long): TrainSettings

    @JvmStatic
    external fun sessionCreate(
        engine: Long,
        className: ByteArray,
        token: ByteArray,
        adapterKind: ByteArray,
        optimizer: ByteArray,
        lrSchedule: ByteArray,
        previewPrompt: ByteArray,
        seed: Long,
        steps: Long,
        warmupSteps: Long,
        views: Long,
        checkpointEvery: Long,
        previewEvery: Long,
        learningRate: Double,
        modifierLearningRate: Double,
        weightDecay: Double,
        maxGradNorm: Double,
        priorLossWeight: Double,
        priorTextWeight: Double,
        fineTimesteps: Double,
        hflip: Boolean,
        sizeAugmentation: Boolean,
        captionPlaces: Boolean,
        journal: ByteArray?,
    ): Long

    @JvmStatic
    external fun sessionResume(engine: Long, journal: ByteArray): Long

    @JvmStatic
    external fun sessionAddPhoto(session: Long, rgb: ByteArray, width: Int, height: Int)

    @JvmStatic
    external fun sessionPlan(session: Long): Plan

    @JvmStatic
    external fun sessionRun(session: Long, callbacks: TrainCallbacks)

    @JvmStatic
    external fun sessionPause(session: Long)

    @JvmStatic
    external fun sessionUnpause(session: Long)

    @JvmStatic
    external fun sessionCancel(session: Long)

    @JvmStatic
    external fun sessionSaveAdapter(session: Long, path: ByteArray)

    @JvmStatic
    external fun sessionClose(session: Long)

    @JvmStatic
    external fun sampleSettingsDefault(engine: Long): SampleSettings

    /** Pictures' bytes, one array each. [adapter] 0: none. */
    @JvmStatic
    external fun generate(
        engine: Long,
        adapter: Long,
        prompt: ByteArray,
        negativePrompt: ByteArray,
        sampler: ByteArray,
        seed: Long,
        steps: Long,
        count: Long,
        guidanceScale: Double,
        callbacks: SampleCallbacks,
    ): Array<ByteArray>

    /** [adapter] 0: none. */
    @JvmStatic
    external fun tokenize(engine: Long, adapter: Long, text: ByteArray): LongArray

    @JvmStatic
    external fun encodeDecode(engine: Long, rgb: ByteArray, width: Int, height: Int): ByteArray

    // What jni.cpp calls to make objects of this library --------------------------------------------------------

    @JvmStatic
    fun makeException(status: Int, message: ByteArray): LikenessException = errorFor(status, message.decodeToString())

    @JvmStatic
    fun makeTrainSettings(
        className: ByteArray,
        token: ByteArray,
        adapterKind: ByteArray,
        optimizer: ByteArray,
        lrSchedule: ByteArray,
        previewPrompt: ByteArray,
        seed: Long,
        steps: Long,
        warmupSteps: Long,
        views: Long,
        checkpointEvery: Long,
        previewEvery: Long,
        learningRate: Double,
        modifierLearningRate: Double,
        weightDecay: Double,
        maxGradNorm: Double,
        priorLossWeight: Double,
        priorTextWeight: Double,
        fineTimesteps: Double,
        hflip: Boolean,
        sizeAugmentation: Boolean,
        captionPlaces: Boolean,
    ) = TrainSettings(
        className.decodeToString(),
        token.decodeToString(),
        adapterKind.decodeToString(),
        optimizer.decodeToString(),
        lrSchedule.decodeToString(),
        previewPrompt.decodeToString(),
        seed,
        steps,
        warmupSteps,
        views,
        checkpointEvery,
        previewEvery,
        learningRate,
        modifierLearningRate,
        weightDecay,
        maxGradNorm,
        priorLossWeight,
        priorTextWeight,
        fineTimesteps,
        hflip,
        sizeAugmentation,
        captionPlaces,
    )

    @JvmStatic
    fun makeSampleSettings(
        prompt: ByteArray,
        negativePrompt: ByteArray,
        sampler: ByteArray,
        seed: Long,
        steps: Long,
        count: Long,
        guidanceScale: Double,
    ) = SampleSettings(
        prompt.decodeToString(),
        negativePrompt.decodeToString(),
        sampler.decodeToString(),
        seed,
        steps,
        count,
        guidanceScale,
    )

    @JvmStatic
    fun makePlan(
        steps: Long,
        stepsDone: Long,
        photos: Long,
        views: Long,
        instanceRows: Long,
        priorRows: Long,
        memoryBytes: Long,
        residentMemoryBytes: Long,
        journalBytes: Long,
        staged: Boolean,
        priorClass: ByteArray,
    ) = Plan(
        steps,
        stepsDone,
        photos,
        views,
        instanceRows,
        priorRows,
        memoryBytes,
        residentMemoryBytes,
        journalBytes,
        staged,
        priorClass.decodeToString(),
    )
}

/** lk_train_callbacks. They come on the thread that called; what they throw cancels, and is thrown by the call. */
internal interface TrainCallbacks {
    fun progress(phase: Int, step: Long, steps: Long, loss: Double, seconds: Double, eta: Double)

    /** A picture of [size] × [size] pixels. */
    fun preview(step: Long, rgb: ByteArray, size: Int)
}

/** lk_sample_callbacks, as [TrainCallbacks]. False cancels. */
internal fun interface SampleCallbacks {
    fun progress(done: Long, total: Long): Boolean
}
